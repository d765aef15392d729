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


def test_what_several_uses_contributed_is_squared_together():
    state = SquareAccumulator()
    state.use()
    state.use()
    state.add_repeated(torch.tensor([[1.0], [2.0]]))
    assert state.total is None
    state.add_repeated(torch.tensor([[10.0], [20.0]]))
    assert state.total.tolist() == [11**2 + 22**2]
    assert state.num_examples == 2
    assert (state.per_example, state.uses, state.returned) == (None, 0, 0)


def test_a_use_after_a_backward_pass_is_of_other_examples():
    state = SquareAccumulator()
    state.use()
    state.use()  # its output is never used
    state.add_repeated(torch.tensor([[1.0]]))
    state.use()
    state.add_repeated(torch.tensor([[10.0]]))
    assert (state.total.tolist(), state.num_examples) == ([1 + 100], 2)


def test_silent_uses_count_for_what_runs_again_only():
    state = SquareAccumulator()
    state.use(silent=True)
    state.use()
    assert state.expected(recomputed=False) == 1
    assert state.expected(recomputed=True) == 2


def test_uses_on_unequal_numbers_of_examples_are_unfit():
    state = SquareAccumulator()
    state.use()
    state.use()
    state.add_repeated(torch.ones(2, 3))
    state.add_repeated(torch.ones(4, 3))
    assert state.unfit


def test_rows_are_put_to_their_places():
    whole = SquareAccumulator()
    for start in (0, 2):
        part = SquareAccumulator()
        part.add(torch.full((3, 2, 1), start + 1.0))
        whole.put_rows(part, start, start + 2, torch.Size([4, 1]))
    assert whole.total.flatten().tolist() == [3, 3, 27, 27]
    assert whole.summed.flatten().tolist() == [3, 3, 9, 9]
    assert (whole.num_examples, whole.unfit) == (3, False)


def test_rows_of_unequal_numbers_of_examples_are_unfit():
    whole = SquareAccumulator()
    for num in (2, 3):
        part = SquareAccumulator()
        part.add(torch.ones(num, 1, 1))
        whole.put_rows(part, num - 2, num - 1, torch.Size([2, 1]))
    assert whole.unfit


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
    state = SquareAccumulator()
    state.add(torch.tensor([[math.nan]]))
    assert state.agrees_with(torch.tensor([math.nan]), 1)
    assert not state.proven()


def test_contributions_that_are_not_finite_do_not_explain_a_finite_gradient():
    state = SquareAccumulator()
    state.add(torch.tensor([[math.nan]]))
    assert not state.agrees_with(torch.tensor([1.0]), 1)


def test_agreement_proves_something_with_examples_only():
    state = SquareAccumulator()
    assert not state.proven()
    state.add(torch.ones(2, 3))
    assert state.proven()
    state.num_examples = 0
    assert not state.proven()


def test_contributions_that_are_all_zero_prove_nothing():
    state = SquareAccumulator()
    state.add(torch.zeros(2, 3))
    assert state.agrees_with(torch.zeros(3), 2)
    assert not state.proven()
