"""Tests of `ui/views/run/distribution.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest

from calibration import decompose
from tests.ui.painting import painted
from ui.views.run.distribution import (
    MAX_POINTS,
    NUM_SHOWN,
    Belief,
    distribution_alt,
    distribution_figure,
    in_words,
    shown_classes,
    spread,
)

NAMES = ["cat", "<b>dog</b>", "owl"]


def samples(count=20, classes=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count)


def test_a_belief_has_the_numbers_of_calibration():
    drawn = samples()
    belief, split = Belief.of(drawn), decompose(drawn[:, None])
    np.testing.assert_allclose(belief.mean, drawn.mean(0))
    np.testing.assert_allclose(belief.low, np.percentile(drawn, 5, axis=0))
    np.testing.assert_allclose(belief.high, np.percentile(drawn, 95, axis=0))
    assert belief.total == pytest.approx(split.total[0])
    assert belief.expected == pytest.approx(split.expected[0])
    assert belief.mutual_information == pytest.approx(split.mutual_information[0])
    assert belief.prediction == drawn.mean(0).argmax()
    assert belief.confidence == drawn.mean(0).max()


def test_one_set_of_weights_has_no_spread():
    belief = Belief.of(np.array([[0.7, 0.2, 0.1]]))
    np.testing.assert_array_equal(belief.low, belief.high)
    assert belief.mutual_information == 0
    drawn = distribution_figure(belief, NAMES)
    assert len(drawn["data"]) == 1
    assert "error_x" not in drawn["data"][0]
    assert "one set of weights: cat 70.0 %" in distribution_alt(belief, NAMES)


def test_the_chart_has_the_means_the_spread_and_each_sample():
    belief = Belief.of(samples())
    bars, dots = distribution_figure(belief, NAMES, truth=1)["data"]
    order = np.argsort(-belief.mean)
    np.testing.assert_allclose(bars["x"], belief.mean[order])
    low = np.array(bars["x"]) - bars["error_x"]["arrayminus"]
    high = np.array(bars["x"]) + bars["error_x"]["array"]
    np.testing.assert_allclose((low, high), (belief.low[order], belief.high[order]))
    np.testing.assert_allclose(np.sort(dots["x"]), np.sort(belief.samples.ravel()))
    np.testing.assert_array_equal(np.rint(dots["y"]), np.repeat(range(3), 20))


def test_names_are_text_and_the_truth_is_marked():
    ticks = distribution_figure(Belief.of(samples()), NAMES, 1)["layout"]["yaxis"]
    assert "<b>&lt;b&gt;dog&lt;/b&gt;</b> ✓" in ticks["ticktext"]
    assert {"cat", "owl"} < set(ticks["ticktext"])


def test_of_many_classes_the_largest_are_shown_and_the_truth():
    belief = Belief.of(samples(4096, 200))
    names = [str(k) for k in range(200)]
    truth = int(belief.mean.argmin())
    bars, dots = distribution_figure(belief, names, truth)["data"]
    assert len(bars["x"]) == NUM_SHOWN
    assert len(dots["x"]) <= MAX_POINTS
    shown = shown_classes(belief.mean, truth, NUM_SHOWN)
    assert shown[-1] == truth
    assert shown[:-1] == np.argsort(-belief.mean)[: NUM_SHOWN - 1].tolist()


def test_plotly_accepts_the_chart():
    for belief in (Belief.of(samples()), Belief.of(samples(1))):
        go.Figure(painted(distribution_figure(belief, NAMES, 0)))


@pytest.mark.parametrize(
    ("drawn", "told"),
    [
        ([[0.99, 0.01, 0]] * 2, "sure of itself, and its weight samples agree"),
        ([[1, 0, 0]] * 18 + [[0.7, 0.3, 0]] * 2, "some of its weight samples doubt it"),
        ([[0.99, 0.01, 0]], "not the same as being right"),
        ([[0.34, 0.33, 0.33]] * 2, "very unsure. 100 % of its entropy is in each"),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "disagree, as they do where"),
        ([[0.34, 0.33, 0.33]], "one set of weights cannot tell"),
        ([[1.0]] * 4, "sure of itself, and its weight samples agree"),
    ],
)
def test_the_entropies_are_put_into_words(drawn, told):
    assert told in in_words(Belief.of(np.array(drawn, float)))


def test_the_sentence_has_the_numbers():
    belief = Belief.of(np.array([[0.6, 0.3, 0.1], [0.8, 0.1, 0.1]]))
    told = distribution_alt(belief, NAMES, 2)
    assert "mean of 2 weight samples: cat 70.0 %, <b>dog</b> 20.0 %, owl 10.0 %" in told
    assert "from 61.0 % to 79.0 %" in told


def test_the_spread_is_over_the_first_axis():
    low, high = spread(np.arange(101.0)[:, None, None] * np.ones((1, 2, 3)))
    np.testing.assert_allclose((low, high), np.full((2, 2, 3), [[[5.0]], [[95.0]]]))
