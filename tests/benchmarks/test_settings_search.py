"""benchmarks/settings_search.py."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import settings_search
from benchmarks.settings_search import choices, held_out, line, number
from benchmarks.tasks import TASKS
from tests.benchmarks.examples import MOONS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setitem(TASKS, "moons-mlp", MOONS)


def test_values_are_numbers_of_the_number_of_examples_or_words():
    assert number("0.1", 50) == 0.1
    assert number("4000/N", 50) == 80.0
    assert number("N/100", 50) == 0.5
    assert number("fisher", 50) == "fisher"
    assert number("1/2/3", 50) == "1/2/3"
    assert number("1/0", 50) == "1/0"


def test_choices_are_parted_by_plus_and_one_without_settings_is_the_defaults():
    found = choices(["lr=1,damping=2/N", "momentum=0.5", "+", "lr=3", "+"])
    assert found == [
        (("lr", "1"), ("damping", "2/N"), ("momentum", "0.5")),
        (("lr", "3"),),
        (),
    ]
    assert choices([]) == [()]
    with pytest.raises(ValueError, match="must be name=value, got 'lr'"):
        choices(["lr"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["vogn", "lr"], "a setting must be name=value, got 'lr'"),
        (["vogn", "lrr=1"], "lrr"),
        (["vogn", "lr=1/2/3"], "lr must be"),
        (["vogn", "--jobs", "0"], "must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_any_training(words, told, capsys):
    with pytest.raises(SystemExit):
        settings_search.main(words)
    assert told in capsys.readouterr().err


def test_it_judges_on_what_was_held_out_of_the_training_part():
    whole = TASKS["fashion-lenet"]
    task = replace(whole, validation_fraction=settings_search.HELD_OUT, ood="none")
    problem, judged = held_out(task)
    assert (len(problem.train), len(judged)) == (55_000, 5_000)
    held = {each.tobytes() for each in problem.data.validation.inputs}
    test = {each.tobytes() for each in problem.data.test.inputs}
    assert not held & test


def test_a_line_has_the_mean_and_each_seed():
    rows = [{"validation_nll": nll, "validation_accuracy": 0.9} for nll in (0.25, 0.27)]
    assert line((("lr", "3/N"),), rows) == "0.2600 (0.2500 0.2700) 0.9000  lr=3/N"
    assert line((), rows).endswith("  defaults")


def test_main_prints_a_line_a_choice_and_adds_rows(tmp_path, capsys, short):
    path = tmp_path / "rows.json"
    words = ["sgd", "lr=0.01", "+", "--task", "moons-mlp", "--seeds", "0", "1"]
    settings_search.main([*words, "--json", str(path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("vogn-app ")
    assert [each.split()[-1] for each in lines[1:]] == ["lr=0.01", "defaults"]
    rows = json.loads(path.read_text())
    assert [row["seed"] for row in rows] == [0, 1, 0, 1]
    assert [row.get("lr") for row in rows] == ["0.01", "0.01", None, None]
    assert rows[0]["validation_nll"] != rows[2]["validation_nll"]
    settings_search.keep(path, rows[:1])
    assert len(json.loads(path.read_text())) == 5


def test_it_runs_as_a_script():
    told = subprocess.run(
        [sys.executable, "benchmarks/settings_search.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    assert "--seeds" in told
