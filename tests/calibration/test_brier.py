"""The parts of the Brier score: their sum, by loop, their intervals."""

import numpy as np
import pytest

from calibration.brier import brier_decomposition
from calibration.metrics import brier_score
from tests.calibration.examples import (
    calibrated,
    random_labels,
    random_probabilities,
)

PROBABILITIES = random_probabilities(200, 5)
LABELS = random_labels(200, 5)


@pytest.mark.parametrize("num_bins", [1, 2, 15, 1000])
@pytest.mark.parametrize("num_classes", [1, 2, 5, 70])
def test_parts_of_the_brier_score_add_up_to_it(num_bins, num_classes):
    probabilities = random_probabilities(200, num_classes, seed=num_bins)
    labels = random_labels(200, num_classes)
    parts = brier_decomposition(probabilities, labels, num_bins)
    whole = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin
    assert whole == pytest.approx(float(brier_score(probabilities, labels)), abs=1e-14)


def test_parts_of_the_brier_score_by_loop():
    reliability = resolution = uncertainty = 0.0
    for c in range(5):
        place, true = np.ceil(PROBABILITIES[:, c] * 10), c == LABELS
        for each in np.unique(place):
            chosen = place == each
            mean_p, mean_y = PROBABILITIES[chosen, c].mean(), true[chosen].mean()
            reliability += chosen.mean() * (mean_p - mean_y) ** 2
            resolution += chosen.mean() * (mean_y - true.mean()) ** 2
        uncertainty += true.mean() * (1 - true.mean())
    parts = brier_decomposition(PROBABILITIES, LABELS, 10)
    assert parts.reliability == pytest.approx(reliability)
    assert parts.resolution == pytest.approx(resolution)
    assert parts.uncertainty == pytest.approx(uncertainty)


def test_parts_of_a_perfect_and_of_a_constant_model():
    perfect = brier_decomposition(np.eye(3)[LABELS % 3], LABELS % 3)
    assert (perfect.reliability, perfect.within_bin) == pytest.approx((0, 0))
    assert perfect.resolution == pytest.approx(float(perfect.uncertainty))
    rates = np.bincount(LABELS) / 200
    constant = brier_decomposition(np.tile(rates, (200, 1)), LABELS)
    assert constant.reliability == pytest.approx(0, abs=1e-14)
    assert constant.resolution == pytest.approx(0, abs=1e-14)
    assert constant.uncertainty == pytest.approx(1 - (rates**2).sum())


def test_parts_have_intervals_within_their_ranges():
    parts = brier_decomposition(PROBABILITIES, LABELS)
    for part in vars(parts).values():
        assert part.low <= part <= part.high
        assert part.low < part.high
        assert (part.count, part.method) == (200, "bootstrap")
    assert parts.reliability.low >= 0
    assert parts.resolution.high <= 1
    alone = brier_decomposition(PROBABILITIES, LABELS, groups=np.zeros(200, dtype=int))
    ends = [(part.low, part.high) for part in vars(alone).values()]
    assert np.allclose(ends, [(0, 2), (0, 1), (0, 1 - 1 / 5), (-1, 2)])


def test_parts_of_clusters_have_the_intervals_of_the_originals():
    once = brier_decomposition(PROBABILITIES, LABELS)
    rows, labels = np.repeat(PROBABILITIES, 3, axis=0), np.repeat(LABELS, 3)
    copies = brier_decomposition(rows, labels, groups=np.repeat(np.arange(200), 3))
    for name, part in vars(once).items():
        same = getattr(copies, name)
        assert (same.low, same.high) == pytest.approx((part.low, part.high), abs=1e-12)


@pytest.mark.parametrize(
    ("count", "num_classes", "cluster", "sets"),
    [(200, 10, 1, 100), (200, 10, 10, 100), (1000, 100, 1, 12)],
)
def test_intervals_of_the_parts_cover_the_truth(count, num_classes, cluster, sets):
    """Classes are equally frequent and the model is calibrated.

    Of 100 sets 95 % cover, less 2.2 standard errors of 2.2 %; of 12, less 2.1 of 6.3 %.
    Bins of one example, and a concave uncertainty at its maximum, once left 0 %.
    """
    covered = np.zeros(2)
    for seed in range(sets):
        rows, labels, groups = calibrated(count, num_classes, seed, cluster)
        parts = brier_decomposition(rows, labels, groups=groups)
        largest = 1 - 1 / num_classes
        covered += parts.reliability.low == 0, parts.uncertainty.high >= largest - 1e-9
    assert min(covered / sets) >= (0.9 if sets == 100 else 0.82), covered


def test_classes_that_are_not_balanced_have_less_than_the_largest_uncertainty():
    rows = random_probabilities(1000, 2)
    part = brier_decomposition(rows, (np.arange(1000) % 4 == 0).astype(int)).uncertainty
    assert part == pytest.approx(2 * 0.25 * 0.75)
    assert part.low < part < part.high < 0.45
