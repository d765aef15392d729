"""Automatic blocks: plain loops train as loops with explicit blocks do."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.vogn_app.optim.networks import (
    assert_bitwise,
    assert_same,
    batch,
    block,
    network,
    weights,
)
from vogn_app import VOGN


def twins(build=network, **options):
    """Two equal models: with explicit blocks and with automatic ones."""
    model = build()
    other = copy.deepcopy(model)
    explicit = VOGN(model, num_data=60, **options)
    return explicit, VOGN(other, num_data=60, automatic=True, **options)


def state(optimizer):
    """Weights and curvature, by name."""
    named = list(optimizer.model.named_parameters())
    curvature = {f"s of {k}": optimizer.state[p]["curvature"] for k, p in named}
    return {**weights(optimizer.model), **curvature}


def plain_step(optimizer, x, y):
    """What loops without blocks do."""
    optimizer.zero_grad()
    F.cross_entropy(optimizer.model(x), y).backward()
    optimizer.step()


@pytest.fixture
def automatic():
    return VOGN(network(), num_data=60, automatic=True)


class Own(nn.Module):
    """A parameter that only a second run of the whole model can do."""

    def __init__(self):
        super().__init__()
        self.matrix, self.layer = nn.Parameter(torch.eye(3)), nn.Linear(3, 2)

    def forward(self, x):
        return self.layer((x @ self.matrix).tanh())


@pytest.mark.parametrize("build", [network, Own, lambda: nn.Linear(3, 2)])
@pytest.mark.parametrize(
    "options", [{}, {"curvature_interval": 2}, {"curvature": "fisher"}]
)
def test_a_plain_loop_is_the_loop_with_blocks(build, options):
    explicit, plain = twins(build, **options)
    for _ in range(4):
        x, y = batch()
        block(explicit, x, y)
        explicit.step()
        plain_step(plain, x, y)
    # Products of the same numbers may be rounded by where they lie in memory.
    assert_same(state(plain), state(explicit))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("sizes", [[4, 4], [5, 2, 1]])
def test_losses_of_micro_batches_add_up(sizes, reduction):
    explicit, plain = twins(loss_reduction=reduction)
    for _ in range(3):
        x, y = batch(8)
        for part, target in zip(x.split(sizes), y.split(sizes), strict=True):
            block(explicit, part, target, reduction)
            loss = F.cross_entropy(plain.model(part), target, reduction=reduction)
            (loss * len(part) / 8 if reduction == "mean" else loss).backward()
        for optimizer in (explicit, plain):
            optimizer.step()
            optimizer.zero_grad()
    assert_same(state(plain), state(explicit))


@pytest.mark.parametrize("clear", ["before", "between", "within"])
def test_gradients_may_be_cleared_anywhere_before_backward(clear):
    explicit, plain = twins()
    for _ in range(3):
        x, y = batch()
        F.cross_entropy(plain.model(x), y).backward()  # no step follows
        with explicit.sampled_params(train=True):  # takes the same draw
            pass
        block(explicit, x, y)
        explicit.step()
        if clear == "before":
            plain.zero_grad()
        output = plain.model(x)
        if clear == "between":
            plain.zero_grad()
        loss = F.cross_entropy(output, y)
        if clear == "within":
            plain.zero_grad(set_to_none=False)
        loss.backward()
        plain.step()
    assert_bitwise(state(plain), state(explicit))


def test_closures_may_make_the_block_and_change_gradients_after_it():
    explicit, plain = twins()
    for _ in range(3):
        x, y = batch()
        block(explicit, x, y)
        nn.utils.clip_grad_norm_(explicit.model.parameters(), 0.01)
        explicit.step()

        def closure(x=x, y=y):
            loss = F.cross_entropy(plain.model(x), y)
            plain.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(plain.model.parameters(), 0.01)
            return loss

        assert plain.step(closure) > 0
    assert_bitwise(state(plain), state(explicit))


def test_closures_of_several_samples_are_averaged():
    explicit, plain = twins(num_samples=3)
    x, y = batch()
    for optimizer in (explicit, plain):

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(optimizer.model(x), y)
            loss.backward()
            return loss

        for _ in range(2):
            optimizer.step(closure)
    assert_bitwise(state(plain), state(explicit))


def test_a_closure_that_gives_nothing_skips_the_step(automatic):
    before = weights(automatic.model)
    assert automatic.step(lambda: None) is None
    assert_bitwise(weights(automatic.model), before)
    assert automatic.num_steps == 0


def test_gradients_of_inputs_do_not_end_the_block():
    explicit, plain = twins()
    for optimizer in (explicit, plain):
        torch.manual_seed(1)
        for _ in range(2):
            x, y = batch()
            x.requires_grad_()
            context = optimizer.sampled_params(train=True)
            with context if optimizer is explicit else torch.enable_grad():
                output = optimizer.model(x)
                torch.autograd.grad(output.sum(), x, retain_graph=True)
                F.cross_entropy(output, y).backward()
            optimizer.step()
    assert_bitwise(state(plain), state(explicit))


def test_explicit_blocks_still_work():
    explicit, plain = twins()
    for _ in range(2):
        x, y = batch()
        for optimizer in (explicit, plain):
            for _ in range(2):
                block(optimizer, x, y)
            optimizer.step()
    assert_bitwise(state(plain), state(explicit))


def test_both_kinds_of_blocks_before_a_step_are_an_error(automatic):
    x, y = batch()
    block(automatic, x, y)
    with pytest.raises(RuntimeError, match=r"^blocks before a step must all be auto"):
        F.cross_entropy(automatic.model(x), y).backward()


def test_a_loaded_state_leaves_one_watcher():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = VOGN(model, num_data=10, automatic=True)
    optimizer.loss_scale = 4.0
    watchers = len(model._forward_pre_hooks)
    for _ in range(2):
        optimizer.load_state_dict(optimizer.state_dict())
    assert len(model._forward_pre_hooks) == watchers
    assert optimizer.loss_scale == 4.0
    kept = model(torch.randn(4, 3))
    with optimizer.sampled_params():  # the mean is wanted: the block is given up
        assert kept.requires_grad
