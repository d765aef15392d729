"""Calibration errors: against torchmetrics, by hand, by brute force."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

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
from calibration.reliability import class_reliability_diagrams, reliability_diagram
from tests.calibration.error_cases import (
    BINNED,
    LABELS,
    PROBABILITIES,
)
from tests.calibration.examples import (
    random_labels,
    random_probabilities,
    two_classes,
)


def bins_by_loop(num_bins=15):
    """Return (count, confidence, accuracy) of each bin."""
    confidence, predicted = PROBABILITIES.max(axis=1), PROBABILITIES.argmax(axis=1)
    place = np.ceil(confidence * num_bins)
    for each in np.unique(place):
        chosen = place == each
        right = (predicted == LABELS)[chosen]
        yield chosen.sum(), confidence[chosen].mean(), right.mean()


def brute_force_kernel_error(probabilities, labels):
    """Return the double sum over examples."""
    confidence = np.max(probabilities, axis=1)
    excess = confidence - (np.argmax(probabilities, axis=1) == labels)
    total = sum(
        a * b * math.exp(-abs(c - d) / 0.4)
        for a, c in zip(excess, confidence, strict=True)
        for b, d in zip(excess, confidence, strict=True)
    )
    return math.sqrt(total) / len(excess)


@pytest.mark.parametrize(
    ("error", "norm"),
    [
        (expected_calibration_error, "l1"),
        (root_mean_square_calibration_error, "l2"),
        (maximum_calibration_error, "max"),
    ],
)
@pytest.mark.parametrize("num_bins", [1, 10, 15])
def test_errors_are_those_of_torchmetrics(error, norm, num_bins):
    """Away from confidence 1, which torchmetrics puts into a bin too many (#3510)."""
    expected = multiclass_calibration_error(
        torch.tensor(PROBABILITIES), torch.tensor(LABELS), 5, num_bins, norm
    )
    measured = error(PROBABILITIES, LABELS, num_bins)
    assert measured == pytest.approx(float(expected), rel=1e-5)


def test_errors_equal_their_formulas():
    count, confidence, accuracy = np.transpose(list(bins_by_loop()))
    share, gap = count / 200, confidence - accuracy
    maximum = maximum_calibration_error(PROBABILITIES, LABELS)
    assert maximum == pytest.approx(abs(gap).max())
    squared = share @ gap**2
    rms = root_mean_square_calibration_error(PROBABILITIES, LABELS)
    assert rms == pytest.approx(math.sqrt(squared))
    over = overconfidence_error(PROBABILITIES, LABELS)
    assert over == pytest.approx(share @ (confidence * gap.clip(0)))
    several = count > 1
    chance = accuracy[several] * (1 - accuracy[several]) / (count[several] - 1)
    squared = share[several] @ (gap[several] ** 2 - chance)
    debiased = debiased_calibration_error(PROBABILITIES, LABELS)
    assert debiased == pytest.approx(math.sqrt(squared))


def test_expected_error_is_that_of_the_diagram():
    for num_bins in (1, 10, 15):
        ece = expected_calibration_error(PROBABILITIES, LABELS, num_bins)
        diagram = reliability_diagram(PROBABILITIES, LABELS, num_bins)
        assert ece == pytest.approx(diagram.ece, rel=1e-12)
        ace = adaptive_calibration_error(PROBABILITIES, LABELS, num_bins)
        diagram = reliability_diagram(PROBABILITIES, LABELS, num_bins, "mass")
        assert ace == pytest.approx(diagram.ece, rel=1e-12)


def test_fifteen_bins_unless_told():
    for error in BINNED:
        default = error(PROBABILITIES, LABELS).as_dict()
        assert default == error(PROBABILITIES, LABELS, 15).as_dict()
        assert default != error(PROBABILITIES, LABELS, 7).as_dict()


def test_adaptive_error_by_hand():
    # Two bins of two: confidences (.6, .7) all right, (.8, .9) half right.
    probabilities = two_classes(0.6, 0.7, 0.8, 0.9)
    error = adaptive_calibration_error(probabilities, [1, 1, 0, 1], 2)
    assert error == pytest.approx((0.35 + 0.35) / 2)


def test_adaptive_error_does_not_depend_on_the_order_of_ties():
    """70 of 100 confidences are equal; right ones come first or last among them."""
    probabilities = two_classes(*[0.7] * 70, *np.linspace(0.8, 0.9, 30))
    labels = np.array([1] * 35 + [0] * 35 + [1] * 30)
    forwards = adaptive_calibration_error(probabilities, labels, 4)
    backwards = adaptive_calibration_error(probabilities[::-1], labels[::-1], 4)
    assert forwards == pytest.approx(backwards, rel=1e-12)
    # Ties fill the first two bins and most of the third, which is theirs too.
    upper = np.linspace(0.8, 0.9, 30)
    gaps = 70 * 0.2 + (1 - upper[:5]).sum() + (1 - upper[5:]).sum()
    assert forwards == pytest.approx(gaps / 100)


def test_classwise_error_is_the_mean_over_classes():
    diagrams = class_reliability_diagrams(PROBABILITIES, LABELS)
    expected = np.mean([diagram.ece for diagram in diagrams])
    measured = classwise_calibration_error(PROBABILITIES, LABELS)
    assert measured == pytest.approx(expected, rel=1e-12)


def test_classwise_error_of_more_classes_than_fit_a_batch():
    probabilities, labels = random_probabilities(150, 70), random_labels(150, 70)
    diagrams = class_reliability_diagrams(probabilities, labels, 5)
    measured = classwise_calibration_error(probabilities, labels, 5)
    expected = np.mean([diagram.ece for diagram in diagrams])
    assert measured == pytest.approx(expected, rel=1e-12)
    assert measured.low < measured < measured.high


def test_errors_of_two_classes_agree_where_they_must():
    """Both classes have the same gaps when bins mirror each other (an odd number)."""
    second = np.random.default_rng(0).uniform(0.5, 1, size=300)
    labels = (np.random.default_rng(1).uniform(size=300) < 0.7).astype(int)
    probabilities = two_classes(*second)
    classwise = classwise_calibration_error(probabilities, labels, 15)
    top = expected_calibration_error(probabilities, labels, 15)
    assert classwise == pytest.approx(top, rel=1e-12)


@pytest.mark.parametrize("count", [1, 2, 200])
def test_kernel_error_is_the_double_sum(count):
    probabilities, labels = PROBABILITIES[:count], LABELS[:count]
    expected = brute_force_kernel_error(probabilities, labels)
    assert kernel_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_kernel_error_of_ties_is_the_double_sum():
    probabilities = two_classes(*[0.7] * 20, *[0.9] * 20, *[1.0] * 5)
    labels = random_labels(45, 2)
    expected = brute_force_kernel_error(probabilities, labels)
    assert kernel_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_overconfidence_by_hand():
    probabilities = two_classes(0.9, 0.8, 0.7)
    assert overconfidence(probabilities, [1, 0, 0]) == pytest.approx(0.8 - 1 / 3)
    under = overconfidence(probabilities, [1, 1, 1])
    assert under == pytest.approx(-0.2)
    assert overconfidence_error(probabilities, [1, 1, 1]) == 0.0
    # Alone in their bins: the first promised too little, the others too much.
    error = overconfidence_error(probabilities, [1, 0, 0])
    assert error == pytest.approx((0.8 * 0.8 + 0.7 * 0.7) / 3)


def test_errors_vanish_for_labels_drawn_from_the_probabilities():
    """Labels drawn from the model leave sampling error alone.

    A bin of n examples has a gap of about sqrt(p (1 - p) / n) <= 0.5 / sqrt(n), so
    15 bins of N = 40,000 in all give at most 0.5 sqrt(15 / N) = 0.0097 on average.
    The debiased square has mean 0 and a deviation of at most sqrt(2 * 15) / (4 N) =
    3.4e-5; three of them are a root of 0.0101.
    """
    second = np.random.default_rng(3).uniform(size=40_000)
    labels = (np.random.default_rng(4).uniform(size=40_000) < second).astype(int)
    probabilities = two_classes(*second)
    for error in (expected_calibration_error, adaptive_calibration_error):
        assert error(probabilities, labels) < 0.0097
    assert debiased_calibration_error(probabilities, labels) < 0.0101


def test_debiasing_takes_off_what_chance_puts_in():
    """Over 400 calibrated sets of 200 examples.

    One bin at p = 0.8: its gap squared has mean v = .16 / 200 and deviation sqrt(2) v;
    the mean of 400 is within 4 * sqrt(2) / 20 = 0.28 v of v. Debiased it is v (Z^2 - 1)
    with Z normal, of which what lies above 0 has the mean 2 phi(1) v = 0.484 v.
    """
    rng = np.random.default_rng(0)
    probabilities = two_classes(*[0.8] * 200)
    sets = [(rng.uniform(size=200) < 0.8).astype(int) for _ in range(400)]
    squares = [root_mean_square_calibration_error(probabilities, y) ** 2 for y in sets]
    chance = 0.16 / 200
    assert np.mean(squares) == pytest.approx(chance, rel=0.28)
    debiased = [debiased_calibration_error(probabilities, y) ** 2 for y in sets]
    assert np.mean(debiased) == pytest.approx(0.484 * chance, abs=0.28 * chance)
