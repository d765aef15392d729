"""From sums to means: what makes statistics independent of the batch size."""

import pytest
import torch

from vogn_app.curvature.kronecker.blocks import INPUTS, OUTPUTS
from vogn_app.curvature.kronecker.capture import Gathered
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.optim.measures import means_of, share_of


def gathered(plain=False):
    return Gathered({}, 4, plain)


def test_the_mean_of_a_loss_is_undone():
    # With contributions c_i = g_i / N: N sum_i c_i c_i^T = (1 / N) sum_i g_i g_i^T.
    assert share_of(gathered(), None, 8, 1.0, mean=True) == 8
    assert share_of(gathered(), None, 8, 1.0, mean=False) == 1 / 8
    assert share_of(gathered(plain=True), None, 8, 1.0, mean=True) == 1 / 8


def test_a_rank_s_contributions_weigh_as_its_gradient_does():
    # A local mean over 2 of 8 examples is weighed by 2 / 8 in the whole gradient.
    assert share_of(gathered(), None, 8, 0.25, mean=True) == pytest.approx(0.5)


def test_a_loss_scale_is_taken_out_twice():
    scale = torch.tensor(1024.0)
    share = share_of(gathered(), scale, 8, 1.0, mean=True)
    assert share == pytest.approx(8 / 1024**2)
    # Gradients at labels of the model's own never carry it.
    assert share_of(gathered(plain=True), scale, 8, 1.0, mean=True) == 1 / 8


def test_inputs_are_averaged_over_their_rows():
    sums = {
        ("layer", INPUTS): Moment("matrix", torch.full((1, 2, 2), 6.0), 3),
        ("layer", OUTPUTS): Moment("matrix", torch.full((1, 2, 2), 6.0), 3),
    }
    means = means_of(sums, 0.5, {("layer", INPUTS): 12})
    assert torch.equal(means["layer", INPUTS].value, torch.full((1, 2, 2), 0.5))
    assert torch.equal(means["layer", OUTPUTS].value, torch.full((1, 2, 2), 3.0))
    assert {mean.count for mean in means.values()} == {1}
