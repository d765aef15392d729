"""benchmarks/peers/training.py; that it ends where the product does: test_trials.py."""

import numpy as np
import pytest
import torch

from benchmarks.peers.training import (
    fit,
    fresh_model,
    optimizer_of,
    product_method,
)
from tests.benchmarks.examples import moons


def test_a_seed_decides_the_initial_weights():
    problem, _ = moons()
    first, again, other = (fresh_model(problem, seed) for seed in (0, 0, 1))
    for a, b, c in zip(
        first.parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_every_example_is_seen_once_an_epoch_and_the_lr_ends_at_zero():
    problem, training = moons()
    model = fresh_model(problem, 0)
    config = problem.task.config("sgd", seed=0).optimizer
    optimizer = optimizer_of(config, model, problem, training)
    counts, rates = [], []

    def step(model, optimizer, inputs, labels):
        assert model.training
        counts.append(len(inputs))
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()

    fit(model, optimizer, problem.train, training, step)
    assert sum(counts) == 2 * len(problem.train)
    assert max(counts) == 128
    cosine = 0.05 * (1 + np.cos(np.pi * np.arange(len(rates)) / len(rates))) / 2
    assert rates == pytest.approx(list(cosine))


@pytest.mark.parametrize(("name", "samples"), [("vogn", (32,)), ("adamw", ())])
def test_methods_with_a_posterior_draw_samples(name, samples):
    problem, training = moons()
    (probabilities,) = product_method(problem, training, name).probabilities
    assert probabilities.shape == (*samples, len(problem.data.test), 2)
