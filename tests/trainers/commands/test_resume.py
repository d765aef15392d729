"""Tests of resuming from the command line."""

import pytest

from tests.trainers.examples import config, run_of, wait_for_state
from tests.trainers.jobs.conftest import fake
from trainers.status import FINISHED, begin_status, end_status


@pytest.fixture
def runs(still):
    made = still.submit([config(), config(), config()], group="three")
    for run in made[:2]:
        still.stop(run)
    return made


def test_a_stopped_run_is_queued_again(still, runs, say):
    code, lines, _ = say("resume", runs[1].id)
    assert code == 0
    assert lines[1:] == [
        f"queued #2  {runs[1].id}  vogn on moons", str(runs[1].path),
    ]  # fmt: skip
    assert still.queue() == [runs[2], runs[1]]


def test_a_group_is_resumed_but_for_what_is_alive(still, runs, say):
    code, lines, _ = say("resume", "--group", "three")
    assert code == 0
    assert lines[-2:] == [str(run.path) for run in runs[:2]]
    assert still.queue() == [runs[2], *runs[:2]]
    assert {still.state(run).group for run in runs} == {"three"}
    code, lines, _ = say("resume", "--group", "three")
    assert (code, lines) == (
        0, ["All runs of group three are alive or have finished."],
    )  # fmt: skip


def test_all_or_none(still, runs, say, tmp_path):
    ended = run_of(tmp_path / "runs" / "ended")
    end_status(ended, begin_status(ended), FINISHED)
    for name, text in (
        ("ended", "is finished"),
        ("nobody", "There is no run 'nobody'"),
    ):
        code, lines, (error,) = say("resume", runs[0].id, name)
        assert (code, lines) == (2, [])
        assert text in error
    assert say("resume", runs[2].id)[2] == [
        f"error: Run {runs[2].id} cannot be resumed: it is queued."
    ]
    assert say("resume")[0] == 2
    assert still.queue() == [runs[2]]


def test_a_named_run_that_is_alive_keeps_its_group_from_the_queue(still, runs, say):
    code, lines, (error,) = say("resume", runs[2].id, "--group", "three")
    assert (code, lines) == (2, [])
    assert "cannot be resumed: it is queued" in error
    assert still.queue() == [runs[2]]
    assert say("resume", runs[1].id, runs[1].id, "--group", "three")[0] == 0
    assert still.queue() == [runs[2], runs[1], runs[0]]  # the named one first


def test_a_resumed_run_finishes(working, say):
    (run,) = working.submit([fake("ok")])
    say("stop", run.id, "--wait")
    assert working.state(run).status.state == "stopped"
    assert say("resume", run.id)[0] == 0
    wait_for_state(run, FINISHED)
