"""What passes begin with, against derivatives of the likelihood's own loss."""

import pytest
import torch
from torch.nn import functional as F

from vogn_app.likelihoods import Categorical
from vogn_app.optim.passes import passes_named


def generator(device):
    return torch.Generator(device).manual_seed(0)


def test_the_data_s_labels_need_no_pass():
    assert passes_named("empirical", Categorical(), generator) is None


def test_exact_passes_square_to_the_hessian_of_the_loss():
    logits = torch.randn(1, 4, dtype=torch.float64)
    given = passes_named("exact", Categorical(), generator)(logits, 1)
    found = sum(torch.outer(root[0], root[0]) for root in given)
    label = torch.tensor([2])
    truth = torch.autograd.functional.hessian(
        lambda output: F.cross_entropy(output[None], label), logits[0]
    )
    torch.testing.assert_close(found, truth)


def test_drawn_passes_are_one_and_of_each_example_s_own_loss():
    logits = torch.randn(3, 4, dtype=torch.float64)
    passes = passes_named("fisher", Categorical(), generator)
    (gradient,) = passes(logits, 3)
    drawn = (logits.softmax(1) - gradient).round(decimals=9)
    assert torch.equal(drawn.sort(1).values, torch.eye(4).double()[[3, 3, 3]])


def test_a_wrong_curvature_is_named():
    with pytest.raises(ValueError, match=r"^curvature must be .* got 'true'"):
        passes_named("true", Categorical(), generator)


def test_exact_needs_roots():
    class Rootless:
        """A likelihood that can only be drawn from."""

    with pytest.raises(ValueError, match=r"^likelihood must have the method square_"):
        passes_named("exact", Rootless(), generator)
