"""Every Bayesian method in a run: it stops, goes on, is judged, and can be deployed."""

import numpy as np
import pytest
import torch

from tests.trainers.examples import rows_of, run_of
from tests.trainers.test_resume import same, stop_after
from trainers import trainer
from trainers.abilities import Collecting
from trainers.catalogue import OPTIMIZERS
from trainers.checkpoint import LAST
from trainers.predictor.network import Network
from trainers.runs import read_json
from trainers.session import train_run
from trainers.status import FAILED, FINISHED, STOPPED
from trainers.trained import load_trained
from vogn_app import load_posterior

# What the others, in tests/trainers/test_resume.py, do not cover.
FAMILY = [
    "ivon", "vadam", "mc_dropout", "swag", "sgld", "sghmc", "snapshot", "laplace",
]  # fmt: skip
VALUES = {
    "sgld": {"num_kept": 4, "cycles": 2},
    "sghmc": {"num_kept": 4, "cycles": 2},
    "snapshot": {"cycles": 2},
}
TRAINING = {"epochs": 4, "batch_size": 175, "log_interval": 1}  # of 4 steps each


@pytest.fixture(scope="module", params=FAMILY)
def whole(request, tmp_path_factory):
    name = request.param
    settings = {"name": name, "hyperparameters": VALUES.get(name, {})}
    run = run_of(
        tmp_path_factory.mktemp(name) / "a", optimizer=settings, training=TRAINING
    )
    assert train_run(run, show_bar=False).state == FINISHED
    return name, settings, run


def test_all_of_them_are_covered():
    covered = {"vogn", "noisy_kfac", "ensemble", "multi_vogn", *FAMILY}
    assert covered == {name for name, spec in OPTIMIZERS.items() if spec.bayesian}


@pytest.mark.parametrize("step", [6, 13])
def test_a_stop_changes_nothing(whole, tmp_path, monkeypatch, step):
    name, settings, expected = whole
    run = run_of(tmp_path / name, optimizer=settings, training=TRAINING)
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        assert train_run(run, show_bar=False).state == STOPPED
    assert train_run(run, show_bar=False).state == FINISHED
    ours, theirs = (
        torch.load(each.checkpoint / LAST, weights_only=True)
        for each in (run, expected)
    )
    assert same(ours["model"], theirs["model"])
    assert same(ours["optimizer"], theirs["optimizer"])
    assert rows_of(run) == rows_of(expected)
    assert (
        read_json(run.evaluation)["metrics"]
        == (read_json(expected.evaluation)["metrics"])
    )


@pytest.mark.parametrize("name", ["laplace", "swag"])
def test_a_stop_while_it_finishes_loses_nothing(tmp_path, monkeypatch, name):
    # A network with BatchNorm, whose statistics SWAG measures at the end.
    sections = {
        "dataset": "digits", "model": "resnet20" if name == "swag" else "mlp",
        "optimizer": name, "training": {"epochs": 1, "batch_size": 500},
    }  # fmt: skip
    run = run_of(tmp_path / name, **sections)
    real = trainer.Trainer._batches

    def stopped(self):
        self.stop.requested = 15
        yield from real(self)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_batches", stopped)
        assert train_run(run, show_bar=False).state == STOPPED
    saved = torch.load(run.checkpoint / LAST, weights_only=True)
    assert saved["progress"]["epoch"] == 1
    assert not run.posterior.exists()
    assert train_run(run, show_bar=False).state == FINISHED
    whole = run_of(tmp_path / "whole", **sections)
    assert train_run(whole, show_bar=False).state == FINISHED
    found, expected = (read_json(each.evaluation)["metrics"] for each in (run, whole))
    assert found == expected


def test_swag_needs_two_steps(tmp_path):
    training = {"epochs": 1, "batch_size": 5000}
    run = run_of(tmp_path / "a", optimizer="swag", training=training)
    status = train_run(run, show_bar=False)
    assert (status.state, status.error_class) == (FAILED, "configuration")
    words = "epochs and batch_size must give SWAG at least 2 steps, got 1."
    assert status.message == words


def test_its_posterior_predicts_without_the_run(whole):
    *_, run = whole
    with np.load(run.predictions) as arrays:
        draws = arrays["probabilities"]
    content = read_json(run.evaluation)
    assert draws.shape == (content["num_samples"], 200, 2)
    trained = load_trained(run)
    part, scale = trained.data.test, trained.data.normalisation
    inputs = torch.from_numpy((part.inputs - scale.mean) / scale.std)
    posterior = load_posterior(run.posterior)
    assert (content["mean"] is not None) == posterior.has_mean
    if isinstance(trained.optimizer, Collecting):  # its draws are the posterior's own
        expected = draws
    else:
        own = trained.optimizer.posterior()
        expected = own.predict_proba(trained.model, inputs, 3, average=False).numpy()
    found = posterior.predict_proba(trained.model, inputs, len(expected), average=False)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_a_loaded_run_draws_what_it_was_evaluated_with(whole):
    *_, run = whole
    trained = load_trained(run)
    with np.load(run.predictions) as arrays:
        draws = arrays["probabilities"]
    found = Network(trained).predict(trained.data.test.inputs)
    np.testing.assert_allclose(found, draws, atol=1e-5)
