"""Tests of what is trained side by side."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from data.arrays import Normalisation, Split
from tests.trainers.building import built
from trainers.batches import DeviceSplit, epoch_rows
from trainers.config import OptimizerConfig, TrainingConfig
from trainers.group import Group
from trainers.lanes import Lanes
from trainers.ranks import Ranks

CPU = torch.device("cpu")


def split(num=10):
    inputs = np.random.default_rng(0).normal(size=(num, 2)).astype(np.float32)
    part = Split.whole(inputs, np.arange(num, dtype=np.int64) % 2)
    return DeviceSplit.of(part, Normalisation.fit(inputs), CPU)


def lanes_of(optimizer, model=None, group=None, **settings):
    config = TrainingConfig(**{"batch_size": 4, "seed": 3, **settings})
    values = {"members": 3} if optimizer == "ensemble" else {}
    spec = OptimizerConfig(name=optimizer, hyperparameters=values)
    model = model or nn.Linear(2, 2)
    made = built(spec, model, seed=3)
    return Lanes(config, model, made, split(), group or Group()), made


def ranks(rank, size):
    group = Group()
    group.ranks = Ranks(rank, size)
    return group


def test_a_plain_run_has_one_lane_in_the_order_of_its_seed():
    lanes, _ = lanes_of("adamw")
    batches = lanes.epoch(1)
    expected = epoch_rows(10, 4, 3, 1, CPU)
    assert [len(each) for each in batches] == [1] * len(expected)
    for (batch,), rows in zip(batches, expected, strict=True):
        assert torch.equal(batch, rows)


def test_members_have_orders_of_their_own():
    lanes, _ = lanes_of("ensemble")
    for step, batches in enumerate(lanes.epoch(2)):
        for seed, batch in zip((9, 10, 11), batches, strict=True):
            assert torch.equal(batch, epoch_rows(10, 4, seed, 2, CPU)[step])


def test_passes_tell_the_mean_over_members():
    lanes, optimizer = lanes_of("ensemble")
    batches = lanes.epoch(0)[0]
    losses = []
    for member, batch in zip(optimizer.members, batches, strict=True):
        x, y = split().take(batch)
        losses.append(nn.functional.cross_entropy(member.model(x), y))
    found = lanes.passes(batches, 0)
    torch.testing.assert_close(found.loss, torch.stack(losses).mean().detach())
    assert (found.share, found.total) == (4, 4)
    assert all(p.grad is not None for m in optimizer.members
               for p in m.model.parameters())  # fmt: skip


def test_a_rank_weighs_as_many_members_as_it_trains():
    lanes, optimizer = lanes_of("ensemble")
    one = Lanes(TrainingConfig(batch_size=4), nn.Linear(2, 2), optimizer, split(),
                Group())  # fmt: skip
    one.lanes = one.lanes[::2]  # as rank 0 of two has them
    found = one.passes(one.epoch(0)[0], 0)
    assert found.share == pytest.approx(4 * 2 / 3)
    assert lanes.passes(lanes.epoch(0)[0], 0).share == 4


def test_train_mode_reaches_every_network():
    lanes, optimizer = lanes_of("ensemble")
    for member in optimizer.members:
        member.model.eval()
    lanes.train()
    assert all(member.model.training for member in optimizer.members)


def test_mixed_batches_are_kept_by_member():
    settings = {"mixup": 0.4}
    first, _ = lanes_of("ensemble", **settings)
    first.passes(first.epoch(0)[0], 0)
    state = copy.deepcopy(first.state_dict())
    assert state.keys() == {"9", "10", "11"}
    again, _ = lanes_of("ensemble", **settings)
    again.load_state_dict(state)
    for lane, other in zip(first.lanes, again.lanes, strict=True):
        batch = first.epoch(0)[1][0]
        one, two = (each.augmentation.batch(batch, slice(None), 1)
                    for each in (lane, other))  # fmt: skip
        assert torch.equal(one[0], two[0])


def test_every_rank_needs_a_member():
    with pytest.raises(ValueError, match=r"num_processes must be at most 3, .* got 4"):
        lanes_of("ensemble", group=ranks(0, 4))


def test_ranks_cannot_share_out_members_with_mixup():
    with pytest.raises(ValueError, match=r"mixup must be 0 for .*, got 0\.4"):
        lanes_of("ensemble", group=ranks(0, 2), mixup=0.4)
