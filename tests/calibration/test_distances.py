"""Intervals of calibration errors cover the truth, which is what they are for."""

import numpy as np
import pytest

from calibration._distances import TANGENT, WHOLE, distance, squared_distance
from calibration.calibration_errors import (
    adaptive_calibration_error,
    classwise_calibration_error,
    debiased_calibration_error,
    expected_calibration_error,
    kernel_calibration_error,
    maximum_calibration_error,
    overconfidence,
    overconfidence_error,
    root_mean_square_calibration_error,
)
from tests.calibration.examples import two_classes

# Eight confidences, each alone in its bin of fifteen, and so in one of equal mass.
LEVELS = np.linspace(0.55, 0.97, 8)
GAPS = {
    "none": np.zeros(8),
    "small": 0.03 * (-1.0) ** np.arange(8),
    "some": 0.15 * (np.arange(8) % 2),
    "large": np.full(8, 0.1),
}
SETS = 100


def draw(gaps, count, rng):
    """Return predictions whose true gaps are known."""
    level = rng.integers(8, size=count)
    labels = (rng.random(count) < LEVELS[level] - gaps[level]).astype(int)
    return two_classes(*LEVELS[level]), labels


def truths(gaps):
    """Return what each error is with endless examples."""
    kernel = np.exp(-np.abs(LEVELS[:, None] - LEVELS) / 0.4)
    mean, rms = np.abs(gaps).mean(), np.sqrt((gaps**2).mean())
    return {
        expected_calibration_error: mean,
        adaptive_calibration_error: mean,
        classwise_calibration_error: mean,
        maximum_calibration_error: np.abs(gaps).max(),
        root_mean_square_calibration_error: rms,
        debiased_calibration_error: rms,
        kernel_calibration_error: np.sqrt(gaps @ kernel @ gaps) / 8,
        overconfidence: gaps.mean(),
        overconfidence_error: (LEVELS * gaps.clip(0)).mean(),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gaps", "count"),
    # 2,500 examples are resampled in groups.
    [("none", 400), ("some", 400), ("large", 400), ("small", 2500)],
)
def test_intervals_cover_the_truth(gaps, count):
    """At least 95 % are promised; 100 sets tell it to sqrt(.95 * .05 / 100) = 2.2 %.

    Below 95 % - 2 * 2.2 % a measure of true coverage 95 % falls once in 40 times; the
    seed is fixed, and most intervals are wider than they must be.
    """
    rng = np.random.default_rng(1)
    gaps = np.maximum(GAPS[gaps], LEVELS - 0.999)  # accuracies stay below 1
    covered = dict.fromkeys(truths(gaps), 0)
    for _ in range(SETS):
        probabilities, labels = draw(gaps, count, rng)
        for error, truth in truths(gaps).items():
            estimate = error(probabilities, labels)
            covered[error] += estimate.low - 1e-12 <= truth <= estimate.high + 1e-12
    shares = {error.__name__: hits / SETS for error, hits in covered.items()}
    assert min(shares.values()) >= 0.906, shares


def test_intervals_of_a_clear_error_are_no_wider_than_a_means():
    """Where every gap is beyond doubt the error is a mean of signed excesses.

    Its normal interval has 1.96 deviations of one example's excess; 1,000 replicates
    give either end to 8 % (see the tests of `calibration.bootstrap`), taken as 20 %.
    """
    gaps = np.full(8, 0.3)
    probabilities, labels = draw(gaps, 40_000, np.random.default_rng(2))
    excess = probabilities[:, 1] - labels
    half = 1.96 * excess.std() / 200
    estimate = expected_calibration_error(probabilities, labels)
    assert estimate.high - estimate == pytest.approx(half, rel=0.2)
    assert estimate - estimate.low == pytest.approx(half, rel=0.2)


def test_a_calibrated_model_may_have_no_error_and_a_bad_one_has_some():
    rng = np.random.default_rng(3)
    assert expected_calibration_error(*draw(GAPS["none"], 2000, rng)).low == 0
    assert expected_calibration_error(*draw(GAPS["large"], 2000, rng)).low > 0.05


def mean_gap(sums):
    return np.abs(sums[..., -1]).sum(-1) / sums[..., 0].sum(-1)


def some_sums(num_cells=3):
    rng = np.random.default_rng(0)
    excess = rng.normal(0.2, 1, size=(60, num_cells, 1))
    return np.concatenate([np.ones_like(excess), excess], axis=-1)


def test_the_tangent_never_reaches_above_the_whole_step():
    """The measure is convex; only rounding, of 1e-16 / 1e-6, may say otherwise."""
    tangent = distance(some_sums(), mean_gap, step=TANGENT)
    whole = distance(some_sums(), mean_gap, step=WHOLE)
    assert np.all(tangent.falls <= whole.falls + 1e-9)
    assert np.any(tangent.falls < whole.falls - 1e-9)


def test_doubt_leaves_noise_and_certainty_leaves_its_sign():
    sums = some_sums(1)
    sums[..., -1] -= sums[..., -1].mean()
    doubted = distance(sums, mean_gap)
    assert np.all(doubted.rises >= 0)
    sums[..., -1] += 5
    certain = distance(sums, mean_gap)
    assert certain.rises.min() < 0 < certain.rises.max()


def test_cells_without_an_example_count_for_nothing():
    sums = some_sums()
    empty = np.concatenate([sums, np.zeros_like(sums)], axis=1)
    for found in (distance, squared_distance):
        with_empty, without = found(empty, mean_gap), found(sums, mean_gap)
        np.testing.assert_array_equal(with_empty.rises, without.rises)
        assert with_empty.value == without.value


def test_distances_add_up():
    sums = some_sums()
    whole = distance(sums, mean_gap, num_cells=9)
    thirds = [
        distance(sums[:, [k]], lambda s: mean_gap(s) / 3, num_cells=9) for k in range(3)
    ]
    added = thirds[0] + thirds[1] + thirds[2]
    assert added.value == pytest.approx(whole.value)
    np.testing.assert_allclose(added.rises, whole.rises, atol=1e-12)
    np.testing.assert_allclose(added.falls, whole.falls, atol=1e-8)


def test_one_group_tells_nothing_of_noise():
    estimate = distance(some_sums()[:1], mean_gap).estimate(60, 0.2)
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    root = squared_distance(some_sums()[:1], mean_gap).root(60, 0.2, 0.04)
    assert (root.low, root.high) == (0.0, 1.0)
