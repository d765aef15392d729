"""The parts of the Brier score: their sum, by loop, their intervals."""

import numpy as np
import pytest

from calibration.brier import brier_decomposition
from calibration.metrics import brier_score
from tests.calibration.examples import random_labels, random_probabilities

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
    assert ends == [(0, 2), (0, 1), (0, 1), (-1, 2)]


def test_parts_of_clusters_have_the_intervals_of_the_originals():
    once = brier_decomposition(PROBABILITIES, LABELS)
    rows, labels = np.repeat(PROBABILITIES, 3, axis=0), np.repeat(LABELS, 3)
    copies = brier_decomposition(rows, labels, groups=np.repeat(np.arange(200), 3))
    for name, part in vars(once).items():
        same = getattr(copies, name)
        assert (same.low, same.high) == pytest.approx((part.low, part.high), abs=1e-12)
