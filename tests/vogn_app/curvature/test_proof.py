"""Whether contributions that were found explain the gradients."""

import pytest
import torch

from vogn_app import UnsupportedLayerError
from vogn_app.curvature.accumulator import SquareAccumulator
from vogn_app.curvature.proof import Found, inexact

ROWS = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.0, 2.0]])  # of three examples
GRADIENT = ROWS.sum(0)


def state_of(rows=ROWS, **options):
    state = SquareAccumulator(**options)
    state.add(rows)
    return state


def test_contributions_that_add_up_to_the_gradient_agree():
    found = Found({"w": state_of()}, 3)
    assert found.agrees("w", GRADIENT)
    assert found.agrees("w", GRADIENT + 1e-9)  # rounding


def test_a_use_that_was_missed_does_not_agree():
    found = Found({"w": state_of()}, 3)
    assert not found.agrees("w", GRADIENT + ROWS[0])
    assert not found.explains("w", GRADIENT + ROWS[0])


def test_what_was_not_found_or_brought_nothing_does_not_agree():
    found = Found({"w": SquareAccumulator()}, 3)
    assert not found.agrees("w", GRADIENT)
    assert not found.agrees("other", GRADIENT)


def test_an_unfit_layer_does_not_agree_whatever_its_sums():
    state = state_of()
    state.unfit = True
    assert not Found({"w": state}, 3).agrees("w", GRADIENT)


@pytest.mark.parametrize("num_examples", [2, 4])
def test_contributions_of_other_examples_do_not_agree(num_examples):
    assert not Found({"w": state_of()}, num_examples).agrees("w", GRADIENT)


def test_what_was_verified_before_is_believed():
    found = Found({"w": state_of(verify=False)}, 3)
    assert found.agrees("w", GRADIENT + 100)


def test_a_gradient_that_is_rounding_beside_the_largest_is_explained():
    """1e-13 is within 1e-6^2 = 1e-12 of a scale of about 1 or more, alone it is not."""
    tiny = {"tiny": state_of(torch.tensor([[1e-13], [-1e-13]]))}
    large = {"large": state_of(torch.ones(2, 1)), "empty": SquareAccumulator()}
    gradient = torch.tensor([1e-13])
    assert not Found(tiny, 2).explains("tiny", gradient)
    assert Found({**tiny, **large}, 2).explains("tiny", gradient)


def test_an_inexact_parameter_is_named():
    error = inexact("layer.weight")
    assert isinstance(error, UnsupportedLayerError)
    assert str(error).startswith(
        "per-example gradients of layer.weight must add up to its gradient, but do not"
    )
