"""Tests of waiting for runs. That it tells each state is tested with `submit`."""

import shutil

from tests.trainers.examples import config, run_of
from trainers.commands import following
from trainers.commands.following import follow
from trainers.status import FINISHED, STOPPED, begin_status, end_status


def ended(path, state):
    run = run_of(path)
    end_status(run, begin_status(run), state, message="So it was.")
    return run


def test_only_if_all_finished_it_is_a_success(still, tmp_path, capsys):
    first, second = ended(tmp_path / "a", FINISHED), ended(tmp_path / "b", STOPPED)
    assert follow(still, [first])
    assert not follow(still, [first, second])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 1)[1] for line in lines[1:]] == [
        "Run a (vogn on moons): finished. So it was.",
        "Run b (vogn on moons): stopped. So it was.",
    ]


def test_a_state_is_told_once_and_a_removed_run_is_no_eternal_wait(
    still, monkeypatch, capsys
):
    (run,) = still.submit([config()])
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            shutil.rmtree(run.path)

    monkeypatch.setattr(following.time, "sleep", sleep)
    assert not follow(still, [run])
    lines = capsys.readouterr().out.splitlines()
    assert len(looks) == 3
    assert [line.split("  ", 1)[1] for line in lines] == [
        f"Run {run.id}: queued #1.",
        f"Run {run.id}: its folder is damaged or gone.",
    ]
