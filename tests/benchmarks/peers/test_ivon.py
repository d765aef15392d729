"""benchmarks/peers/ivon.py."""

import sys

import pytest
import torch

from benchmarks.peers import ivon as peer
from benchmarks.peers.training import fit, fresh_model
from tests.benchmarks.examples import moons


def test_whether_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ivon", None)
    assert not peer.is_installed()
    with pytest.raises(ModuleNotFoundError, match="ivon"):
        peer.build_ivon(torch.nn.Linear(1, 1), 1, lr=0.1)


def test_its_settings_are_those_of_the_protocol():
    pytest.importorskip("ivon")
    problem, training = moons()
    optimizer = peer.build_ivon(fresh_model(problem, 0), 800, **peer.SETTINGS)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["hess_init"], group["ess"]) == (0.1, 0.1, 800)
    assert (group["beta1"], group["beta2"], group["mc_samples"]) == (0.9, 0.99999, 1)
    assert peer.ivon(problem, training).settings["ess"] == len(problem.train) == 800


def test_it_predicts_with_32_draws_from_its_posterior():
    pytest.importorskip("ivon")
    problem, training = moons()
    (probabilities,) = peer.ivon(problem, training).probabilities
    assert probabilities.shape == (32, len(problem.data.test), 2)
    assert probabilities.std(0).max() > 0


def test_training_ends_at_the_mean():
    pytest.importorskip("ivon")
    problem, training = moons()
    model = fresh_model(problem, 0)
    optimizer = peer.build_ivon(model, len(problem.train), **peer.SETTINGS)
    fit(model, optimizer, problem.train, training, peer.train_ivon)
    mean = [p.clone() for p in model.parameters()]
    with optimizer.sampled_params():
        drawn = [p.clone() for p in model.parameters()]
    for p, before, sample in zip(model.parameters(), mean, drawn, strict=True):
        assert torch.equal(p, before)
        assert not torch.equal(sample, before)
