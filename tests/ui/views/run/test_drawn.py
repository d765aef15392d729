"""Tests of `ui/views/run/drawn.py`."""

import pytest

from tests.ui import fakes
from ui.views.run.drawn import ONE_NETWORK, drawn, layers_of, no_map, undivided


def evaluated(num_samples, posterior):
    return {"num_samples": num_samples, "posterior": posterior}


def mixture(**values):
    return [layer | values for layer in fakes.layers()]


ONE_KEPT = mixture(between=0.0, deviation=0.0)  # a mixture of one network


def test_networks_are_told_from_draws_of_weights():
    assert drawn(evaluated(5, mixture(between=1.0))) == "5 networks"
    assert drawn(evaluated(5, mixture(between=0.8))) == "5 weight samples"
    assert drawn(evaluated(32, fakes.layers())) == "32 weight samples"
    assert drawn(evaluated(1, None)) == "1 weight sample"


def test_what_is_split_needs_no_reason():
    assert undivided(evaluated(2, fakes.layers())) == ""
    assert no_map(evaluated(2, fakes.layers())) == ""


@pytest.mark.parametrize(
    ("posterior", "reason"),
    [
        (None, "one set of weights"),
        (fakes.layers(), "One draw of the weights has nothing to disagree with"),
        (ONE_KEPT, ONE_NETWORK),
    ],
    ids=["no posterior", "one draw", "one network"],
)
def test_each_of_three_cases_has_its_own_reason(posterior, reason):
    content = evaluated(1, posterior)
    assert reason in undivided(content)
    assert reason in no_map(content)
    advised = "Train with a Bayesian optimizer" in no_map(content)
    assert advised == (posterior is None)


@pytest.mark.parametrize("rubbish", ["high", [1, 2], 7, {}])
def test_damage_is_no_posterior_here(rubbish):
    assert layers_of({"posterior": rubbish}) == []
