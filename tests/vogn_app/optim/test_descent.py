"""Momentum and steps, against torch.optim.SGD and by hand."""

import pytest
import torch

from vogn_app.optim.descent import MOMENTUM, buffer_of, check_descent, descend

SHAPES = ((3, 2), (4,))


def drawn():
    return [torch.randn(shape, dtype=torch.float64) for shape in SHAPES]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)]
)
def test_without_a_factor_it_is_sgd(momentum, weight_decay, nesterov):
    group = {
        "lr": 0.1, "momentum": momentum,
        "weight_decay": weight_decay, "nesterov": nesterov,
    }  # fmt: skip
    ours = drawn()
    theirs = [torch.nn.Parameter(each.clone()) for each in ours]
    sgd, states = torch.optim.SGD(theirs, **group), [{}, {}]
    for _ in range(4):
        steps = drawn()
        for parameter, step in zip(theirs, steps, strict=True):
            parameter.grad = step.clone()
        sgd.step()
        buffers = [buffer_of(s, p) for s, p in zip(states, ours, strict=True)]
        descend(ours, steps, buffers if momentum else [], group)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other.detach())


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_factor_shortens_the_whole_step(nesterov):
    group = {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.5, "nesterov": nesterov}
    (weight, _), (step, _), (buffer, _) = drawn(), drawn(), drawn()
    nu = torch.tensor(0.3, dtype=torch.float64)
    own = step + 0.5 * weight
    velocity = nu * (0.8 * buffer + own)
    moved = nu * own + 0.8 * velocity if nesterov else velocity
    expected = weight - 0.1 * moved
    descend([weight], [step], [buffer], group, nu)
    torch.testing.assert_close(weight, expected)
    torch.testing.assert_close(buffer, velocity)


def test_nothing_to_move_is_fine():
    descend([], [], [], {"lr": 0.1, "momentum": 0.9})


def test_a_buffer_is_made_once():
    state, weight = {}, torch.randn(2)
    first = buffer_of(state, weight)
    assert not first.any()
    assert buffer_of(state, weight) is first is state[MOMENTUM]


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", -1.0), ("momentum", 1.0), ("weight_decay", -0.1), ("lr", float("nan"))],
)
def test_a_wrong_setting_is_named(name, value):
    group = {"lr": 0.1, "momentum": 0.9, name: value}
    with pytest.raises(ValueError, match=f"^{name} must be .* got"):
        check_descent(group)


@pytest.mark.parametrize("value", ["yes", 1, 0, None])
def test_nesterov_is_true_or_false(value):
    with pytest.raises(
        ValueError, match=rf"^nesterov must be True or False, got {value!r}\.$"
    ):
        check_descent({"lr": 0.1, "momentum": 0.9, "nesterov": value})


def test_a_rate_of_zero_is_fine():
    check_descent({"lr": 0, "momentum": 0.9})  # schedules reach it


def test_nesterov_needs_momentum():
    with pytest.raises(ValueError, match=r"^momentum must be > 0 with nesterov"):
        check_descent({"lr": 0.1, "momentum": 0.0, "nesterov": True})
