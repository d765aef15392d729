"""Tests of stopping runs from the command line."""

import pytest

from tests.trainers.examples import config, run_of, wait_for_state
from tests.trainers.jobs.conftest import fake
from trainers.status import FINISHED, begin_status, end_status, read_status


@pytest.fixture
def runs(still):
    return still.submit([config(), config(), config()], group="three")


def test_a_waiting_run_leaves_the_queue(still, runs, say):
    code, lines, _ = say("stop", runs[1].id)
    assert code == 0
    assert lines[1].split() == ["stopped", runs[1].id]
    assert still.queue() == [runs[0], runs[2]]


def test_a_group_and_everything(still, runs, say):
    (other,) = still.submit([config()])
    assert say("stop", "--group", "three")[0] == 0
    assert still.queue() == [other]
    assert say("stop", "--all", "--wait")[0] == 0
    assert still.queue() == []
    assert say("stop", "--all") == (0, ["Nothing is alive."], [])


def test_what_has_ended_is_left_alone(still, say, tmp_path):
    ended = run_of(tmp_path / "runs" / "ended")
    end_status(ended, begin_status(ended), FINISHED)
    code, lines, _ = say("stop", "ended")
    assert (code, lines[1].split(None, 2)) == (
        0,
        ["finished", "ended", "had ended before"],
    )
    assert read_status(ended).state == FINISHED
    assert not ended.stop_request.exists()


@pytest.mark.parametrize("words", [[], ["nobody"], ["--group", "none"]])
def test_mistakes_are_told_and_stop_nothing(still, runs, say, words):
    code, lines, errors = say("stop", *words)
    assert (code, lines, len(errors)) == (2, [], 1)
    assert still.queue() == runs


def test_one_unknown_run_saves_the_known_ones(still, runs, say):
    assert say("stop", runs[0].id, "nobody")[0] == 2
    assert still.queue() == runs


def test_a_group_at_work_ends_and_none_of_it_starts_meanwhile(working, say):
    runs = working.submit([fake("long") for _ in range(3)], group="long")
    wait_for_state(runs[0], "running")
    code, lines, _ = say("stop", "--group", "long", "--wait")
    assert code == 0
    assert [read_status(run).state for run in runs] == ["stopped"] * 3
    assert all(read_status(run).started is None for run in runs[1:])
    assert "stopped. Stopped on request." in lines[-1]
