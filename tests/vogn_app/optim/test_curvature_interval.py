"""Curvature refreshed on every k-th step."""

import copy

import pytest
import torch
from torch import nn

from vogn_app import VOGN

BOTH = pytest.mark.usefixtures("kernels_and_none")


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def batches(num, size=6):
    generator = torch.Generator().manual_seed(5)
    for _ in range(num):
        x = torch.randn(size, 3, generator=generator)
        yield x, torch.randint(2, (size,), generator=generator)


def step(model, optimizer, x, y):
    with optimizer.sampled_params(train=True):
        nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def curvatures(optimizer):
    return [optimizer.state[p]["curvature"].clone() for g in optimizer.param_groups
            for p in g["params"]]  # fmt: skip


def test_the_curvature_changes_on_refresh_steps_only():
    model = network()
    optimizer = VOGN(model, num_data=60, curvature_interval=3)
    changed, before = [], None
    for x, y in batches(7):
        step(model, optimizer, x, y)
        after = curvatures(optimizer)
        if before is not None:
            changed.append(
                any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
            )
        before = after
    assert changed == [False, False, True, False, False, True]


@BOTH
def test_a_refresh_stands_for_all_its_steps():
    """H seen k times in a row, or once with the weight of k steps, is the same."""
    states = []
    for interval, steps in ((1, 3), (3, 1)):
        torch.manual_seed(0)
        model = network()
        optimizer = VOGN(
            model, num_data=60, curvature_interval=interval, curvature_decay=0.8,
            lr=1e-30,
        )  # fmt: skip
        for group in optimizer.param_groups:
            group["sampled"] = False
        (batch,) = batches(1)
        for _ in range(steps):
            step(model, optimizer, *batch)
        states.append(curvatures(optimizer))
    for one, other in zip(*states, strict=True):
        assert torch.allclose(one, other, rtol=1e-10)


@BOTH
def test_steps_between_use_the_gradient_of_their_own_batch():
    model = network()
    optimizer = VOGN(
        model, num_data=60, curvature_interval=2, momentum=0.0, prior_precision=0.0
    )
    for group in optimizer.param_groups:
        group["sampled"] = False
    (first, second) = batches(2)
    step(model, optimizer, *first)
    means = [p.detach().clone() for p in model.parameters()]
    gradients = torch.autograd.grad(
        nn.functional.cross_entropy(model(second[0]), second[1]), [*model.parameters()]
    )
    step(model, optimizer, *second)
    group = optimizer.param_groups[0]
    for p, mean, g, s in zip(
        model.parameters(), means, gradients, curvatures(optimizer), strict=True
    ):
        expected = mean - group["lr"] * g / (s + group["damping"])
        assert torch.allclose(p, expected, rtol=1e-12)


def test_layers_have_no_hooks_on_steps_between():
    model = network()
    optimizer = VOGN(model, num_data=60, curvature_interval=2)
    seen = []
    for x, y in batches(3):
        with optimizer.sampled_params(train=True):
            seen.append("forward" in vars(model[0]))
            nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert seen == [True, False, True]


def test_a_resumed_run_keeps_its_place_in_the_interval():
    models, data = [network(), network()], list(batches(5))
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [VOGN(m, num_data=60, curvature_interval=3) for m in models]
    for x, y in data[:2]:
        step(models[0], optimizers[0], x, y)
    models[1].load_state_dict(models[0].state_dict())
    optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    for x, y in data[2:]:
        for model, optimizer in zip(models, optimizers, strict=True):
            step(model, optimizer, x, y)
    for one, other in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(one, other)


def test_parts_called_by_hand_between_refreshes_are_an_error_and_change_nothing():
    model = network()
    optimizer = VOGN(model, num_data=60, curvature_interval=2)
    (first, second) = batches(2)
    step(model, optimizer, *first)
    before = [p.detach().clone() for p in model.parameters()]
    with (
        pytest.raises(
            RuntimeError,
            match=r"^curvature_interval must be 1 when the model .*, got 2\.$",
        ),
        optimizer.sampled_params(train=True),
    ):
        nn.functional.cross_entropy(model[2](model[0](second[0])), second[1]).backward()
    assert all(
        torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)
    )


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_the_interval_is_a_whole_number_of_at_least_one(value):
    with pytest.raises(
        ValueError,
        match=rf"^curvature_interval must be a whole number >= 1, got {value}\.$",
    ):
        VOGN(network(), num_data=60, curvature_interval=value)
