"""Tests of copies of runs with other settings."""

import pytest

from tests.trainers.examples import config, run_of
from trainers.catalogue import OPTIMIZERS
from trainers.runs import load_config


@pytest.fixture
def original(tmp_path):
    tuned = {"name": "vogn", "hyperparameters": {"damping": 0.2}}
    return run_of(tmp_path / "runs" / "original", optimizer=tuned)


def test_a_copy_is_queued_in_a_folder_of_its_own(still, original, say):
    code, lines, _ = say("clone", "original")
    (copy,) = still.queue()
    assert (code, lines[-1]) == (0, str(copy.path))
    assert copy != original
    assert load_config(copy) == load_config(original)


def test_flags_change_the_copy(still, original, say, tmp_path):
    folder = tmp_path / "copy"
    words = ["--seed", 9, "--lr", 0.5, "--priority", 3, "--group", "g"]
    _, lines, _ = say("clone", original.path, *words, "--run-dir", folder)
    (job,) = still.store.queued()
    changed = load_config(job.run)
    assert (str(folder), "g", 3) == (job.path, job.group, job.priority)
    assert lines[1].endswith("vogn on moons, seed 9, lr 0.5")
    assert changed.training.seed == 9
    assert changed.optimizer.hyperparameters["lr"] == 0.5
    assert changed.optimizer.hyperparameters["damping"] == 0.2
    assert load_config(original).training.seed == config().training.seed


def test_another_optimizer_starts_from_its_defaults(still, original, say):
    say("clone", "original", "--optimizer", "sgd")
    settings = load_config(still.queue()[0])
    assert settings.optimizer.hyperparameters == OPTIMIZERS["sgd"].defaults()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nobody"], "There is no run 'nobody'"),
        (["original", "--epochs", "0"], "epochs must be a whole number"),
        (["original", "--nesterov", "true"], "hyper-parameter of vogn must be one of"),
    ],
)
def test_mistakes_queue_nothing(still, original, say, words, text):
    code, lines, (error,) = say("clone", *words)
    assert (code, lines) == (2, [])
    assert text in error
    assert still.queue() == []
