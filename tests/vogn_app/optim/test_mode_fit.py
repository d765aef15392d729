"""What a pass over the data has made of a mode, through a state and back."""

import re

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.networks import assert_bitwise
from vogn_app.curvature.kronecker.layout import blocks_of, find_watched
from vogn_app.curvature.kronecker.moments import Moment
from vogn_app.optim.matrix_noise import layout_of
from vogn_app.optim.mode_curvature import ModeCurvature
from vogn_app.optim.mode_fit import KEYS, ModeFit, fit_state, loaded_fit

STRENGTH = 40.0  # N / tau


def parts(model):
    """What a state is read with, but for the state."""
    named = dict(model.named_parameters())
    blocks = blocks_of(find_watched(model, named, "diagonal"))
    layouts = [layout_of(block, {n: n for n in named}) for block in blocks.values()]
    return blocks, layouts, named, STRENGTH


def fit_of(model, priors):
    _, layouts, _, _ = parts(model)
    factors = {
        (each.name, "diagonal"): Moment("diagonal", torch.rand(1, each.shape[-1]), 1)
        for each in layouts
    }
    return ModeFit(ModeCurvature.of(layouts, factors, STRENGTH), -0.5, priors)


def mode(model):
    return {name: p.detach() for name, p in model.named_parameters()}


def test_evidence_is_the_likelihood_less_what_occam_takes():
    model = nn.Linear(3, 2)
    fit = fit_of(model, {"": 2.0})
    taken = fit.curvature.occam(mode(model), {"": 3.0})
    assert fit.evidence(mode(model), {"": 3.0}) == -0.5 * STRENGTH - taken


def test_a_state_gives_the_same_fit():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    fit = fit_of(model, {"0": 2.0, "1": 3.0})
    again = loaded_fit(fit_state(fit), *parts(model))
    assert (*fit_state(None),) == (*fit_state(fit),) == KEYS
    assert again.priors == fit.priors
    assert again.log_likelihood == fit.log_likelihood
    posteriors = [each.diagonal_posterior(model, {}) for each in (fit, again)]
    assert_bitwise(*[each.precision for each in posteriors])
    assert posteriors[0].prior_precision["1.bias"] == 3.0


@pytest.mark.parametrize(
    ("priors", "text"),
    [
        ({"0": 2.0}, "of 0, 1 in the state to load, got those of 0."),
        ({"0": 2.0, "1": 0.0}, "a finite number in (0, inf), got 0.0."),
    ],
)
def test_priors_must_be_of_all_layers(priors, text):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    state = fit_state(fit_of(model, {"0": 2.0, "1": 3.0}))
    state["prior_precisions"] = priors
    whole = re.escape(f"prior_precisions must be {text}")
    with pytest.raises(ValueError, match=f"^{whole}$"):
        loaded_fit(state, *parts(model))
