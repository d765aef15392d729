"""Bounds of steps, against quadratic forms with a known matrix."""

import pytest
import torch

from vogn_app.optim.trust_region import clip, step_change, velocity_change

DIM, LR = 5, 0.3


def curvature():
    root = torch.randn(DIM, DIM, dtype=torch.float64)
    return root @ root.T + torch.eye(DIM, dtype=torch.float64)


def drawn():
    return torch.randn(DIM, dtype=torch.float64)


@pytest.mark.parametrize("bound", [1e-6, 1e-2, 1e6])
def test_natural_gradients_are_scaled_onto_the_bound_or_left(bound):
    matrix, gradient = curvature(), drawn()
    natural = torch.linalg.solve(matrix, gradient)
    before = LR**2 * natural @ matrix @ natural
    found = natural.clone()
    clip({"w": found}, {"w": gradient}, {"w": LR}, bound)
    expected = natural * min(1.0, (bound / before).sqrt().item())
    torch.testing.assert_close(found, expected)


def test_each_parameter_counts_at_its_own_rate():
    first, second = torch.ones(1), torch.ones(1)
    ones = {"a": torch.ones(1), "b": torch.ones(1)}
    clip({"a": first, "b": second}, ones, {"a": 1.0, "b": 3.0}, 0.1)
    torch.testing.assert_close(first, torch.full((1,), 0.1))
    assert torch.equal(first, second)


def test_many_small_parts_in_half_precision_all_count():
    names = [str(number) for number in range(600)]
    natural = {n: torch.full((8,), 0.01, dtype=torch.bfloat16) for n in names}
    gradients = {n: torch.ones(8, dtype=torch.bfloat16) for n in names}
    product = 600 * 8 * natural["0"][0].double()
    expected = natural["0"].double() * (1e-3 / product).sqrt()
    clip(natural, gradients, dict.fromkeys(names, 1.0), 1e-3)
    torch.testing.assert_close(natural["0"].double(), expected, rtol=0.01, atol=0)


def test_nothing_to_clip_is_fine():
    clip({}, {}, {}, 1e-3)


@pytest.mark.parametrize("nesterov", [False, True])
def test_changes_need_no_product_with_the_matrix(nesterov):
    matrix, momentum = curvature(), 0.7
    velocity, change = torch.zeros(DIM, dtype=torch.float64), torch.zeros(())
    for _ in range(4):
        gradient = drawn()
        natural = torch.linalg.solve(matrix, gradient)
        products = torch.stack([natural @ gradient, velocity @ gradient])
        velocity = momentum * velocity + natural
        step = natural + momentum * velocity if nesterov else velocity
        group = {"momentum": momentum, "nesterov": nesterov}
        torch.testing.assert_close(
            step_change(group, products, change), step @ matrix @ step
        )
        change = velocity_change(momentum, products, change)
        torch.testing.assert_close(change, velocity @ matrix @ velocity)


def test_rounding_makes_no_change_negative():
    products = torch.tensor([0.0, -1.0])
    assert velocity_change(0.9, products, torch.zeros(())) == 0
    group = {"momentum": 0.9, "nesterov": True}
    assert step_change(group, products, torch.zeros(())) == 0
