"""The squares of one parameter."""

import math

import pytest
import torch

from vogn_app.curvature.accumulator import SquareAccumulator


def test_squares_of_examples_add_up():
    state = SquareAccumulator()
    state.add(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    state.add(torch.tensor([[5.0, 6.0]]))
    assert state.total.tolist() == [35, 56]
    assert state.summed.tolist() == [9, 12]


def test_sums_are_kept_only_to_verify():
    state = SquareAccumulator(verify=False)
    state.add(torch.ones(2, 3))
    assert state.summed is None
    assert state.total.tolist() == [2, 2, 2]


def test_what_several_calls_contributed_is_squared_together():
    state = SquareAccumulator(outstanding=2, returned=2)
    state.per_example = torch.tensor([[1.0], [2.0]]) + torch.tensor([[10.0], [20.0]])
    state.flush()
    assert state.total.tolist() == [11**2 + 22**2]
    assert state.num_examples == 2
    assert (state.per_example, state.outstanding, state.returned) == (None, 0, 0)


def test_contributions_are_left_alone():
    contributions = torch.tensor([[2.0, 3.0]])
    state = SquareAccumulator()
    state.add(contributions)
    state.add(contributions)
    assert contributions.tolist() == [[2, 3]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precisions_are_squared_in_float32(dtype):
    state = SquareAccumulator()
    state.add(torch.full((2, 1), 1e-5, dtype=dtype))
    assert state.total.dtype == torch.float32
    assert state.total.item() == pytest.approx(2e-10, rel=0.02)


# Share of the scale sqrt(N sum |g_n|^2) by which sums may differ from the gradient.
@pytest.mark.parametrize(
    ("dtype", "share"),
    [(torch.float64, 1e-6), (torch.float32, 1e-3), (torch.bfloat16, 5e-2)],
)
def test_agreement_is_up_to_the_rounding_of_the_coarsest_type(dtype, share):
    contributions = torch.ones(4, 1)  # scale sqrt(4 * 4) = 4
    for error, agrees in ((0.9, True), (1.1, False)):
        state = SquareAccumulator()
        state.add(contributions)
        state.computed_in({torch.float64, dtype})
        assert state.agrees_with(torch.tensor([4 + error * share * 4]), 4) is agrees


def test_the_scale_of_agreement_survives_contributions_that_cancel():
    state = SquareAccumulator()
    state.add(torch.tensor([[1.0], [-1.0]]))
    assert state.agrees_with(torch.tensor([1e-12]), 2)
    assert not state.agrees_with(torch.tensor([1e-3]), 2)


def test_what_is_small_beside_the_largest_scale_is_rounding():
    state = SquareAccumulator()
    state.add(torch.tensor([[1e-17], [-1e-17]]))
    assert not state.agrees_with(torch.tensor([3e-17]), 2)
    assert state.agrees_with(torch.tensor([3e-17]), 2, largest=1.0)
    assert not state.agrees_with(torch.tensor([3e-12]), 2, largest=1.0)


def test_nothing_is_said_against_a_gradient_that_is_not_finite():
    state = SquareAccumulator(num_examples=1)
    state.add(torch.tensor([[math.nan]]))
    assert state.agrees_with(torch.tensor([math.nan]), 1)
    assert not state.proven()


def test_agreement_proves_something_with_examples_only():
    state = SquareAccumulator()
    assert not state.proven()
    state.add(torch.ones(2, 3))
    assert not state.proven()
    state.num_examples = 2
    assert state.proven()


def test_contributions_that_are_all_zero_prove_nothing():
    state = SquareAccumulator(num_examples=2)
    state.add(torch.zeros(2, 3))
    assert state.agrees_with(torch.zeros(3), 2)
    assert not state.proven()
