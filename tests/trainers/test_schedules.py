"""Tests of learning rate and momentum by step."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from trainers.config import TrainingConfig
from trainers.schedules import build_scheduler, polynomial


def optimizer_of(**settings):
    return SGD([nn.Parameter(torch.zeros(1))], lr=2.0, **settings)


def followed(config, steps, optimizer=None):
    """The learning rate and the momentum that each step is taken with."""
    optimizer = optimizer or optimizer_of(momentum=0.8)
    scheduler = build_scheduler(config, optimizer, steps)
    found = []
    for _ in range(steps + 1):
        (group,) = optimizer.param_groups
        assert scheduler.get_last_lr() == [group["lr"]]
        found.append((group["lr"], group["momentum"]))
        optimizer.step()
        scheduler.step()
    return found


def rates(steps, **settings):
    return [rate for rate, _ in followed(TrainingConfig(**settings), steps)]


def test_the_cosine_falls_to_zero():
    expected = [2.0, 1.7071067811865475, 1.0, 0.2928932188134524, 0.0]
    assert rates(4) == pytest.approx(expected)


def test_the_constant_stays():
    assert rates(3, schedule="constant") == [2.0] * 3 + [2.0]


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 1), (2, 1), (3, 0.5625), (4, 0.25), (6, 0), (7, 0)]
)
def test_the_polynomial_at_points_computed_by_hand(epoch, expected):
    assert polynomial(epoch, 2, 6, 2) == expected


def test_the_polynomial_of_the_largest_batch_of_sp_ngd():
    # Of batch size 131,072: power 3, from epoch 1 to 95, trained for 81.
    assert polynomial(48, 1, 95, 3) == 0.125
    assert polynomial(81, 1, 95, 3) == pytest.approx((14 / 94) ** 3)
    assert polynomial(0.5, 1, 95, 3) == 1


def test_the_epoch_of_a_step_has_a_fraction():
    # Four epochs of two steps, falling in a line from epoch 1 to epoch 5.
    settings = {"schedule": "polynomial", "epochs": 4, "decay_power": 1}
    found = rates(8, **settings, decay_start=1, decay_end=5)
    assert found == pytest.approx([2, 2, 2, 1.75, 1.5, 1.25, 1, 0.75, 0.5])


def test_the_decay_ends_with_the_run_unless_it_is_said():
    found = rates(4, schedule="polynomial", epochs=2)
    assert found == pytest.approx([2, 2 * 0.75**2, 0.5, 2 * 0.25**2, 0])


def test_a_decay_that_ends_early_stays_at_zero():
    found = rates(4, schedule="polynomial", epochs=4, decay_end=2)
    assert found == pytest.approx([2, 0.5, 0, 0, 0])


@pytest.mark.parametrize("schedule", ["cosine", "polynomial", "constant"])
def test_the_momentum_follows_the_learning_rate(schedule):
    config = TrainingConfig(schedule=schedule, couple_momentum=True, decay_end=7)
    for rate, momentum in followed(config, 5):
        assert momentum == pytest.approx(0.8 / 2.0 * rate)


def test_the_momentum_at_a_point_computed_by_hand():
    config = TrainingConfig(
        schedule="polynomial", epochs=2, decay_power=1, couple_momentum=True
    )
    assert [momentum for _, momentum in followed(config, 2)] == [0.8, 0.4, 0]


def test_without_coupling_the_momentum_stays():
    assert {momentum for _, momentum in followed(TrainingConfig(), 3)} == {0.8}


def test_every_group_keeps_its_own_ratio():
    groups = [
        {"params": [nn.Parameter(torch.zeros(1))], "lr": lr, "momentum": momentum}
        for lr, momentum in ((1.0, 0.9), (0.1, 0.5))
    ]
    optimizer = SGD(groups, lr=1.0)
    config = TrainingConfig(epochs=2, couple_momentum=True)
    scheduler = build_scheduler(config, optimizer, 2)
    optimizer.step()
    scheduler.step()
    values = [(group["lr"], group["momentum"]) for group in optimizer.param_groups]
    assert values == [pytest.approx((0.5, 0.45)), pytest.approx((0.05, 0.25))]


def test_a_coupled_schedule_goes_on_from_its_state():
    config = TrainingConfig(schedule="polynomial", couple_momentum=True)
    whole = followed(config, 6)
    optimizer = optimizer_of(momentum=0.8)
    scheduler = build_scheduler(config, optimizer, 6)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    again = optimizer_of(momentum=0.8)
    fresh = build_scheduler(config, again, 6)
    again.load_state_dict(optimizer.state_dict())
    fresh.load_state_dict(scheduler.state_dict())
    found = []
    for _ in range(4):
        (group,) = again.param_groups
        found.append((group["lr"], group["momentum"]))
        again.step()
        fresh.step()
    assert found == whole[3:]


def test_coupling_needs_a_momentum():
    optimizer = AdamW([nn.Parameter(torch.zeros(1))])
    with pytest.raises(KeyError, match="momentum"):
        build_scheduler(TrainingConfig(couple_momentum=True), optimizer, 3)
