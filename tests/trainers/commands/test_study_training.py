"""Tests of `trainers/commands/study_training.py`."""

import pytest

from tests.trainers.examples import config
from trainers.commands import study_training
from trainers.commands.study_training import held, members, train_missing
from trainers.runs import RunError
from trainers.status import FINISHED, begin_status, end_status

CONFIGS = [config(training={"seed": seed}) for seed in (0, 1)]


def finish(run):
    end_status(run, begin_status(run), FINISHED)
    return 0


def test_a_group_is_one_process_s_at_a_time(still):
    with held(still, "a/b"):
        with (
            pytest.raises(RunError, match=r"^Another process is at the study in group"),
            held(still, "a/b"),
        ):
            pass
        with held(still, "other"):
            pass
    with held(still, "a/b"):
        pass


def test_the_command_holds_its_group(still, say, monkeypatch):
    words = ["cold_posterior", "--dataset", "moons", "--model", "mlp", "--optimizer"]
    monkeypatch.setattr(study_training, "_trained", finish)
    with held(still, "mine"):
        code, _, (error,) = say("study", *words, "vogn", "--group", "mine")
    assert code == 2
    assert "Another process is at the study in group 'mine'." in error
    assert not members(still, "mine")


def test_what_was_done_meanwhile_is_not_done_again(still, monkeypatch):
    """Each run is looked up when its turn comes, as others may have trained it."""
    trained = []

    def train(run):
        if not trained:  # somebody else is faster with the second one
            finish(study_training._new(still, "mine", CONFIGS[1]))
        trained.append(run)
        return finish(run)

    monkeypatch.setattr(study_training, "_trained", train)
    runs, whole = train_missing(still, "mine", CONFIGS, ["seed"])
    assert (len(trained), whole) == (1, True)
    assert set(runs) == set(members(still, "mine"))


def test_what_is_queued_is_left_to_the_queue(still, monkeypatch, capsys):
    still.submit(CONFIGS[:1], group="mine")
    monkeypatch.setattr(study_training, "_trained", finish)
    runs, _ = train_missing(still, "mine", CONFIGS, ["seed"])
    assert len(runs) == 2
    assert capsys.readouterr().out.splitlines() == [
        "1 of 2: vogn on moons, seed 0: queued already",
        "2 of 2: vogn on moons, seed 1",
    ]
