"""The bootstrap of sums: groups, weights, coverage by simulation."""

import numpy as np
import pytest
from scipy import stats

from calibration.bootstrap import (
    MAX_GROUPS,
    deal,
    from_draws,
    resample,
    resampled,
    resampling_weights,
    sums_by_group,
)
from calibration.estimate import UNIT

ENDLESS = (-np.inf, np.inf)


def share(sums):
    """The mean of column 1, with the counts in column 0."""
    return sums[..., 1].sum(-1) / sums[..., 0].sum(-1)


def shares(values, groups=None):
    """The bootstrap of a mean."""
    group = deal(len(values), groups)
    cell = np.zeros(len(values), dtype=np.intp)
    return resampled(
        sums_by_group(group, cell, 1, None, values), share, len(values), ENDLESS
    )


@pytest.mark.parametrize("count", [40, 4000])
def test_the_bootstrap_of_a_mean_has_the_width_of_the_normal_interval(count):
    """1,000 replicates give a quantile of a normal to 1/sqrt(1000 * 0.025)/2.4 = 8 %.

    With the groups' own error of 1/sqrt(2 * 1000) = 2 % both ends lie within 15 %;
    the ordinary bootstrap divides by N, not N - 1, which at 40 is another 1 %.
    """
    values = np.random.default_rng(1).normal(size=count)
    half = 1.96 * values.std() / np.sqrt(count)
    estimate = shares(values)
    assert estimate == pytest.approx(values.mean())
    assert estimate.high - values.mean() == pytest.approx(half, rel=0.15)
    assert values.mean() - estimate.low == pytest.approx(half, rel=0.15)


def test_the_bootstrap_of_clusters_is_that_of_the_originals():
    values = np.random.default_rng(1).normal(size=100)
    once = shares(values)
    copies = shares(np.repeat(values, 3), np.repeat(np.arange(100), 3))
    assert (copies.low, copies.high) == pytest.approx((once.low, once.high))


def test_intervals_of_a_bootstrap_cover_the_truth():
    """Of 400 sets, 95 % +- 4 standard errors of sqrt(.95 * .05 / 400) = 1.1 % cover."""
    rng = np.random.default_rng(5)
    estimates = [shares(rng.normal(size=200)) for _ in range(400)]
    covered = np.mean([e.low <= 0 <= e.high for e in estimates])
    assert 0.95 - 0.044 <= covered <= 0.95 + 0.044


def test_deal_gives_each_example_a_group_and_large_sets_equal_groups():
    assert np.array_equal(deal(5), np.arange(5))
    counts = np.bincount(deal(10_500))
    assert len(counts) == MAX_GROUPS
    assert set(counts) == {10, 11}


def test_deal_never_tears_a_cluster_apart():
    groups = np.repeat(np.arange(3000), 2)
    dealt = deal(6000, groups)
    assert np.array_equal(dealt[::2], dealt[1::2])
    assert np.array_equal(deal(4, ["b", "a", "b", "c"]), [1, 0, 1, 2])


def test_sums_by_group_equal_a_loop():
    rng = np.random.default_rng(0)
    group, cell = rng.integers(4, size=50), rng.integers(3, size=50)
    values = rng.normal(size=50)
    sums = sums_by_group(group, cell, 3, None, values)
    for g in range(4):
        for k in range(3):
            chosen = (group == g) & (cell == k)
            assert sums[g, k, 0] == chosen.sum()
            assert sums[g, k, 1] == pytest.approx(values[chosen].sum())


def test_weights_are_those_of_draws_with_replacement():
    weights = resampling_weights(20)
    assert np.all(weights.sum(axis=1) == 20)
    assert np.all(weights == weights.round())
    assert not np.array_equal(weights, resampling_weights(20, seed=1))
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 1


def test_resample_draws_whole_groups():
    sums = np.eye(6)[:, :, None]
    assert np.array_equal(resample(sums)[..., 0], resampling_weights(6))


def test_the_callers_random_numbers_are_left_alone():
    np.random.seed(3)  # noqa: NPY002 - the legacy generator is what must not move
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    shares(np.arange(5000.0))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_reflection_mirrors_the_replicates():
    draws = np.linspace(0.2, 0.4, 1001)
    plain = from_draws(0.25, draws, 100)
    mirrored = from_draws(0.25, draws, 100, reflected=True)
    assert (plain.low, plain.high) == pytest.approx((0.205, 0.395))
    assert (mirrored.low, mirrored.high) == pytest.approx((0.105, 0.295))


def test_draws_that_are_not_numbers_are_left_out():
    draws = np.array([np.nan] * 10 + [0.3] * 90)
    assert from_draws(0.3, draws, 10).low == pytest.approx(0.3)
    nothing = from_draws(0.3, np.full(5, np.nan), 10)
    assert (nothing.low, nothing.high) == UNIT


def test_an_exact_value_moves_the_replicates():
    group, cell = np.arange(30), np.zeros(30, dtype=np.intp)
    sums = sums_by_group(group, cell, 1, None, np.random.default_rng(0).random(30))
    near = resampled(sums, share, 30)
    exact = resampled(sums, share, 30, value=near + 0.01)
    assert exact.low == pytest.approx(near.low + 0.01)


@pytest.mark.parametrize(
    ("groups", "text"),
    [([1, 2], r"one entry for each of 3 .* \(2,\)"), ([0.5, 1.0, 2.0], "float64")],
)
def test_wrong_clusters_are_refused(groups, text):
    with pytest.raises(ValueError, match=text):
        deal(3, groups)


def test_few_groups_have_students_quantile():
    """The mean of 8 examples, with quantiles good to 8 %, as above."""
    values = np.random.default_rng(4).normal(size=8)
    found = shares(values)
    half = stats.t.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.12)
