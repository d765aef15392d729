"""Draws against loops, numpy's quantiles, torchmetrics, and what they promise."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.regression import continuous_ranked_probability_score

from calibration.distributions import Empirical, Gaussian
from tests.calibration.distributions.oracles import crps_of_draws

RNG = np.random.default_rng(0)
DRAWS = RNG.normal(size=(9, 40))
TARGETS = RNG.normal(scale=1.5, size=40)
PREDICTED = Empirical(DRAWS)


def test_crps_equals_loops_over_pairs():
    expected = [
        crps_of_draws(draws, y) for draws, y in zip(DRAWS.T, TARGETS, strict=True)
    ]
    np.testing.assert_allclose(PREDICTED.crps(TARGETS), expected, rtol=1e-12)


def test_crps_equals_torchmetrics():
    expected = continuous_ranked_probability_score(
        torch.from_numpy(DRAWS.T.copy()), torch.from_numpy(TARGETS)
    )
    assert PREDICTED.crps(TARGETS).mean() == pytest.approx(float(expected))


def test_one_draw_has_the_absolute_error():
    assert Empirical([[3.0, 1.0]]).crps([1.0, 1.0]).tolist() == [2.0, 0.0]


def test_few_draws_cost_what_the_formula_says():
    """E|X - X'|/(2S) of a standard normal is 1 / (sqrt(pi) S), 0.028 for S = 20.

    E|X - y| over 20 draws differs from its mean by about 0.7 / sqrt(20) = 0.16, and
    so the mean over 20,000 examples by 0.0012; four of these.
    """
    rng = np.random.default_rng(3)
    draws, targets = rng.normal(size=(20, 20_000)), rng.normal(size=20_000)
    exact = Gaussian(np.zeros(20_000), np.ones(20_000)).crps(targets).mean()
    found = Empirical(draws).crps(targets).mean()
    assert found - exact == pytest.approx(1 / np.sqrt(np.pi) / 20, abs=0.0048)


def test_mean_and_deviation_are_those_of_the_draws():
    np.testing.assert_allclose(PREDICTED.mean, DRAWS.mean(axis=0))
    np.testing.assert_allclose(PREDICTED.deviation, DRAWS.std(axis=0))


def test_ranks_of_four_draws_by_hand():
    draws = np.array([1.0, 2.0, 2.0, 4.0])
    targets = [0.9, 1.0, 1.5, 2.0, 3.0, 4.0, 4.1]
    found = Empirical(np.tile(draws[:, None], 7)).cdf(targets)
    assert found.tolist() == pytest.approx([0, 0.2, 0.3, 0.5, 0.7, 0.8, 1])


def test_equal_draws_have_their_middle_rank():
    assert Empirical(np.ones((3, 3))).cdf([0.0, 1.0, 2.0]).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("level", [0.1, 0.25, 0.5, 0.62, 0.9])
def test_quantiles_and_probabilities_invert_each_other(level):
    x = PREDICTED.quantile(level)
    np.testing.assert_allclose(x, np.quantile(DRAWS, level, axis=0, method="weibull"))
    np.testing.assert_allclose(PREDICTED.cdf(x), level, rtol=1e-12)


def test_levels_beyond_the_draws_end_at_the_outermost():
    assert PREDICTED.quantile(0.01).tolist() == DRAWS.min(axis=0).tolist()
    assert PREDICTED.quantile(0.99).tolist() == DRAWS.max(axis=0).tolist()
    assert Empirical([[7.0]]).quantile(0.3).tolist() == [7.0]


def test_targets_below_a_quantile_are_as_many_as_promised():
    """Target and 9 draws alike: each of 10 ranks has a tenth of N = 20,000 examples.

    The standard error of a fraction is at most 0.5 / sqrt(N) = 0.0035; four of them.
    """
    rng = np.random.default_rng(4)
    predicted = Empirical(rng.normal(size=(9, 20_000)))
    targets = rng.normal(size=20_000)
    for level in (0.1, 0.3, 0.5, 0.8, 0.9):
        below = np.mean(targets <= predicted.quantile(level))
        assert below == pytest.approx(level, abs=0.0142)
        assert np.mean(predicted.cdf(targets) <= level) == below


def test_draws_have_no_density():
    with pytest.raises(ValueError, match="must have a density, got draws"):
        PREDICTED.log_density(TARGETS)
