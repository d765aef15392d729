"""Tests of `ui/views/launch/measuring.py`."""

import os
import time

import pytest

from tests.trainers.test_costs import COST
from tests.ui.fakes import config
from trainers import errands
from trainers.errands import DONE, FAILED, LOST, RUNNING, STOPPED, Errand
from trainers.runs import RunError
from ui.views.launch import measuring
from ui.views.launch.measuring import begin, kind_of, kinds, known, look, words


@pytest.fixture
def begun(root, monkeypatch):
    """The errands that were begun, and none that runs."""
    found = []
    monkeypatch.setattr(errands, "begin", lambda *given: found.append(given))
    return found


def state(monkeypatch, kind, state=RUNNING, code=None, log=""):
    arguments = tuple(words(kind, measuring.folder() / "x.json"))
    errand = Errand(state, arguments, time.time() - 5, code, log)
    monkeypatch.setattr(errands, "look", lambda _: errand)


def keep(kind, age=0.0):
    measuring.folder().mkdir(parents=True, exist_ok=True)
    path = measuring._result(kind)
    path.write_text(COST.to_json())
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_configurations_that_take_as_long_are_of_one_kind(monkeypatch):
    configs = [config(seed=1), config(seed=2), config(batch_size=5)]
    found = kinds(configs)
    assert list(found.values()) == [configs[0], configs[2]]
    before = kind_of(configs[0])
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    assert kind_of(configs[0]) != before


def test_it_is_begun_as_an_errand_with_its_configuration(begun):
    begin("k", config(epochs=3))
    ((place, arguments),) = begun
    assert place == measuring.place()
    assert arguments[:3] == ["trainers", "estimate", "--config"]
    settings = measuring.folder() / "k.config.json"
    assert arguments[3] == str(settings)
    assert '"epochs": 3' in settings.read_text()
    assert arguments[arguments.index("--limit") + 1] == "180"


def test_one_is_made_at_a_time(begun, monkeypatch):
    state(monkeypatch, "other")
    with pytest.raises(RunError, match="Another estimate is being made here"):
        begin("k", config())
    assert begun == []


def test_a_new_measurement_takes_the_old_ones_place(begun):
    keep("k")
    begin("k", config())
    assert known(["k"]) == {}


def test_what_was_measured_is_known_for_a_day(root):
    keep("a")
    keep("b", age=100_000)
    keep("c").write_text("{")
    found = known(["a", "b", "c", "d"])
    assert list(found) == ["a"]
    assert found["a"].cost == COST


def test_nothing_was_measured_yet(root):
    assert look() is None
    assert known([]) == {}


def test_what_is_under_way_tells_its_kind(root, monkeypatch):
    state(monkeypatch, "k")
    work = look()
    assert (work.kind, work.state, work.problem) == ("k", RUNNING, "")
    assert work.seconds == pytest.approx(5, abs=2)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"state": LOST}, "The measurement was interrupted."),
        ({"state": STOPPED, "code": 143}, "The measurement was stopped."),
        ({"state": FAILED, "code": 124}, "The measurement took longer than 3 minutes."),
        (
            {"state": FAILED, "code": 2, "log": "x\nerror: model must be one\n"},
            "model must be one",
        ),
        ({"state": FAILED, "code": 9}, "The measurement failed."),
        ({"state": DONE, "code": 0}, ""),
    ],
)
def test_how_it_ended_is_told(root, monkeypatch, given, problem):
    state(monkeypatch, "k", **given)
    assert look().problem == problem


def test_one_that_does_not_fit_has_been_measured_all_the_same(root, monkeypatch):
    keep("k")
    state(monkeypatch, "k", FAILED, 1)
    assert look().problem == ""


def test_damage_is_as_if_there_were_none(root, monkeypatch):
    def damaged(place):
        raise RunError("damaged")

    monkeypatch.setattr(errands, "look", damaged)
    assert look() is None


def test_it_can_be_stopped(root, monkeypatch):
    ended = []
    monkeypatch.setattr(errands, "end", ended.append)
    measuring.end()
    assert ended == [measuring.place()]
