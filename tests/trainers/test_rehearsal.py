"""Tests of `trainers/rehearsal.py`."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.trainers.examples import config
from trainers.optimizers import Plan
from trainers.predict import draws_of
from trainers.rehearsal import num_kept, rehearsed

MODEL = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
BATCH = (
    torch.randn(8, 2, generator=torch.Generator().manual_seed(0)),
    torch.arange(8) % 2,
)


def chosen(name, **values):
    return config(optimizer={"name": name, "hyperparameters": values}).optimizer


def step(optimizer):
    optimizer.zero_grad()
    F.cross_entropy(step.model(BATCH[0]), BATCH[1]).backward()
    optimizer.step()


def collected(optimizer, num_steps=1000):
    step.model = copy.deepcopy(MODEL)
    plan = Plan(num_data=100, seed=0, num_steps=num_steps,
                network=lambda _: copy.deepcopy(MODEL))  # fmt: skip
    return rehearsed(optimizer, step.model, plan, step, lambda: [BATCH, None])


@pytest.mark.parametrize(
    ("name", "values", "kept"),
    [
        ("sgld", {"num_kept": 4}, 4), ("sghmc", {}, 20), ("snapshot", {}, 5),
        ("snapshot", {"cycles": 2}, 2), ("swag", {"max_rank": 3}, 3),
        ("swag", {"interval": 200}, 20), ("laplace", {}, 1),
    ],
)  # fmt: skip
def test_it_keeps_as_much_as_a_whole_training(name, values, kept):
    optimizer = collected(chosen(name, **values))
    assert optimizer.has_posterior
    posterior = optimizer.posterior()
    of_rank = [len(each) for each in getattr(posterior, "deviations", {}).values()]
    found = of_rank or [len(getattr(posterior, "components", [posterior]))]
    assert {*found} == {kept}
    with next(draws_of(step.model, optimizer, 1)):
        pass


def test_a_short_training_keeps_no_more_than_it_has_steps():
    assert len(collected(chosen("sgld"), num_steps=2).posterior().components) == 2


def test_what_is_kept_is_told_by_the_settings():
    assert num_kept(chosen("sgld", num_kept=7)) == 7
    assert num_kept(chosen("swag")) == 20
    assert num_kept(chosen("snapshot", cycles=3)) == 3
    assert num_kept(chosen("laplace")) == 1
