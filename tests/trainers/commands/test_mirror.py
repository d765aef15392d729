"""Tests of mirroring from the command line."""

import pytest

from tests.trainers.examples import run_of
from trainers.mirrors import __main__ as mirrors


def test_its_words_are_handed_on(monkeypatch, say):
    told = []
    monkeypatch.setattr(mirrors, "main", lambda words: told.append(words) or 3)
    assert say("mirror", "x", "tensorboard", "wandb")[0] == 3
    assert told == [["x", "tensorboard", "wandb"]]


def test_an_unknown_run_or_mirror_is_told(tmp_path, say):
    assert say("mirror", "x", "tensorboard")[2] == [
        f"error: There is no run 'x' in {tmp_path / 'runs'}."
    ]
    run_of(tmp_path / "runs" / "x")
    code, _, (error,) = say("mirror", "x", "paper")
    assert code == 2
    assert "got 'paper'" in error


def test_a_mirror_must_be_named(say):
    with pytest.raises(SystemExit):
        say("mirror", "x")
