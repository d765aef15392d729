"""Tests of optimizers and schedules by name."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig, TrainingConfig
from trainers.optimizers import build_optimizer, build_scheduler
from vogn_app import VOGN


def build(name, **hyperparameters):
    settings = OptimizerConfig(name=name, hyperparameters=hyperparameters)
    return build_optimizer(settings, nn.Linear(2, 3), 100, 5)


@pytest.mark.parametrize(
    ("name", "cls"), [("vogn", VOGN), ("adamw", AdamW), ("sgd", SGD)]
)
def test_the_name_decides_the_class(name, cls):
    optimizer = build(name)
    assert type(optimizer) is cls
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_hyper_parameter_arrives(name):
    values = {
        item.name: item.validated(0.5)
        for item in OPTIMIZERS[name].hyperparameters
        if item.kind == "float"
    }
    group = build(name, **values).param_groups[0]
    betas = values.pop("beta1", None), values.pop("beta2", None)
    assert betas in ((None, None), tuple(group.get("betas", ())))
    assert {key: group[key] for key in values} == values


def test_vogn_knows_the_data_and_draws_with_the_seed():
    optimizer = build("vogn", num_samples=3, batch_norm="sampled")
    assert (optimizer.num_samples, optimizer.batch_norm) == (3, "sampled")
    assert optimizer.param_groups[0]["num_data"] == 100
    assert optimizer._noise.seed == 5


def test_nesterov_arrives():
    assert build("sgd", nesterov=True).param_groups[0]["nesterov"] is True


def rates(schedule, steps):
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = build_scheduler(TrainingConfig(schedule=schedule), optimizer, steps)
    found = []
    for _ in range(steps + 1):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


def test_the_cosine_falls_to_zero():
    found = rates("cosine", 4)
    expected = [2.0, 1.7071067811865475, 1.0, 0.2928932188134524, 0.0]
    assert found == pytest.approx(expected)


def test_the_constant_stays():
    assert rates("constant", 3) == [2.0] * 4
