"""Tests of continual.json."""

import json

import pytest

from tests.trainers.continual.examples import record, settings
from trainers.annotations import read_annotations
from trainers.continual.record import (
    Course,
    Record,
    forgetting,
    is_continual,
    just_learned,
    new_continual_run,
    read_record,
    record_path,
    write_record,
)
from trainers.runs import Run, RunError, load_config


def test_averages_and_what_is_forgotten():
    accuracy = ((0.9,), (0.8, 0.9), (0.7, 0.8, 0.9))
    assert Course(accuracy=accuracy, seconds=(1, 1, 1)).averages == pytest.approx([
        0.9,
        0.85,
        0.8,
    ])
    assert forgetting(accuracy) == pytest.approx((0.2 + 0.1) / 2)
    assert forgetting(accuracy[:1]) is None
    assert forgetting(((0.5,), (0.6, 0.7))) == pytest.approx(-0.1)
    assert just_learned(accuracy) == pytest.approx(0.9)


def test_a_record_round_trips_with_what_follows_from_it(tmp_path):
    run = Run(tmp_path)
    write_record(run, record())
    assert read_record(run) == record()
    content = json.loads(record_path(run).read_text())
    assert content["methods"]["vogn"]["average_accuracy"] == pytest.approx([
        0.9,
        0.85,
        0.8,
    ])
    assert content["methods"]["ewc"]["forgetting"] == pytest.approx(0.3)
    assert content["settings"]["tasks"] == 3


def test_it_grows_method_by_method():
    grown = Record(settings=settings())
    assert set(grown.courses) == set(settings().methods)
    assert not grown.is_complete
    for row in ([0.5], [0.4, 0.6]):
        for method in settings().methods:
            grown = grown.and_then(method, row, 1.0)
    assert grown.is_complete
    with pytest.raises(ValueError, match="accuracy must be of 2 tasks at most"):
        grown.and_then("vogn", [0.1, 0.2, 0.3], 1.0)


def test_a_new_run_is_known_by_its_record_and_its_tag(tmp_path):
    run = new_continual_run(settings(), "1.0", tmp_path / "a")
    assert is_continual(run)
    assert not is_continual(Run(tmp_path))
    assert read_record(run) == Record(settings=settings())
    assert load_config(run) == settings().config()
    assert read_annotations(run).tags == ("continual",)
    with pytest.raises(RunError, match="run folder must be new or empty"):
        new_continual_run(settings(), "1.0", tmp_path / "a")


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.update(schema=2),
        lambda c: c.pop("methods"),
        lambda c: c["methods"].update(sgd={"accuracy": [], "seconds": []}),
        lambda c: c["methods"]["vogn"].update(accuracy=[[0.5, 0.5]], seconds=[1]),
        lambda c: c["methods"]["vogn"].update(accuracy=[[1.5]], seconds=[1]),
        lambda c: c["methods"]["vogn"].update(accuracy=[["a"]], seconds=[1]),
        lambda c: c["methods"]["vogn"].update(seconds=[1]),
        lambda c: c["methods"]["vogn"].update(seconds=[-1, 1, 1]),
        lambda c: c["settings"].update(tasks=0),
        lambda c: c.update(settings=[]),
        lambda c: c.update(num_test=None),
    ],
)
def test_damage_is_told(tmp_path, damage):
    run, content = Run(tmp_path), json.loads(json.dumps(record().to_dict()))
    damage(content)
    record_path(run).write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"continual.json is no record of tasks"):
        read_record(run)


@pytest.mark.parametrize("text", ["[]", "3", "null"])
def test_what_is_no_object_is_told(tmp_path, text):
    record_path(Run(tmp_path)).write_text(text)
    with pytest.raises(RunError, match="is no record of tasks"):
        read_record(Run(tmp_path))
