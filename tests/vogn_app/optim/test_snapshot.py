"""Tests of the snapshot ensemble: SGD with restarts, and the ends of its cycles."""

import copy
import doctest
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from tests.vogn_app.optim.networks import assert_bitwise, batch, normed, weights
from vogn_app.optim import snapshot
from vogn_app.optim.cyclic import cosine_factor
from vogn_app.optim.snapshot import SnapshotEnsemble

PLAN = {"num_steps": 9, "cycles": 3}


def train(model, optimizer, schedule, data):
    for x, y in data:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()


def built(model, **settings):
    optimizer = SnapshotEnsemble(model, **PLAN | settings)
    return optimizer, LambdaLR(optimizer, optimizer.lr_factor)


@pytest.mark.parametrize("nesterov", [False, True])
def test_members_are_those_of_sgd_with_restarts(nesterov):
    ours, data, ends = normed(), [batch() for _ in range(10)], []
    theirs = copy.deepcopy(ours)
    settings = {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.01, "nesterov": nesterov}
    optimizer, schedule = built(ours, **settings)
    sgd = torch.optim.SGD(theirs.parameters(), **settings)
    restarts = LambdaLR(sgd, lambda step: cosine_factor(step, 9, 3))
    for step, each in enumerate(data, start=1):
        train(ours, optimizer, schedule, [each])
        train(theirs, sgd, restarts, [each])
        if step in (3, 6, 9):
            ends.append(weights(theirs))
        assert len(optimizer.kept) == len(ends)
    posterior = optimizer.posterior()
    assert posterior.num_draws(32) == 3
    for index, expected in enumerate(ends):
        with posterior.sampled(ours, index=index):
            assert_bitwise(weights(ours), expected)


@pytest.mark.parametrize("steps", [2, 3, 4])  # before, right at, after a snapshot
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(steps):
    data = [batch() for _ in range(9)]
    whole, second = normed(), normed()
    first = copy.deepcopy(whole)
    expected, schedule = built(whole)
    train(whole, expected, schedule, data)
    optimizer, schedule = built(first)
    train(first, optimizer, schedule, data[:steps])
    file = io.BytesIO()
    torch.save([part.state_dict() for part in (first, optimizer, schedule)], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    resumed, schedule = built(second)
    for part, state in zip((second, resumed, schedule), states, strict=True):
        part.load_state_dict(state)
    train(second, resumed, schedule, data[steps:])
    assert_bitwise(weights(second), weights(whole))
    for ours, theirs in zip(resumed.kept, expected.kept, strict=True):
        assert_bitwise(ours["parameters"], theirs["parameters"])
        assert_bitwise(ours["buffers"], theirs["buffers"])


def test_a_training_of_fewer_steps_has_a_member_a_step():
    model = normed()
    optimizer, schedule = built(model, num_steps=2)
    train(model, optimizer, schedule, [batch() for _ in range(3)])
    assert len(optimizer.kept) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cycles": 0}, "cycles must be a whole number >= 1, got 0"),
        ({"num_steps": 0}, "num_steps must be a whole number >= 1, got 0"),
        ({"lr": -1.0}, r"lr must be a finite number in \[0, inf\), got -1"),
        ({"momentum": 0.0, "nesterov": True}, "momentum must be > 0 with nesterov"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SnapshotEnsemble(normed(), **PLAN | arguments)


def test_a_state_of_other_cycles_is_refused():
    state = built(normed(), cycles=2)[0].state_dict()
    with pytest.raises(
        ValueError, match="cycles must be 3 in the state to load, got 2"
    ):
        built(normed())[0].load_state_dict(state)


def test_the_example_in_the_docstring_runs():
    torch.set_default_dtype(torch.float32)
    results = doctest.testmod(snapshot, extraglobs={"torch": torch, "nn": nn})
    assert results.attempted >= 6
    assert results.failed == 0
