"""Calibration errors: against torchmetrics, by hand, by brute force, at the edges."""

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
from calibration.intervals import wilson_interval
from calibration.reliability import class_reliability_diagrams, reliability_diagram
from tests.calibration.examples import (
    calibrated,
    random_labels,
    random_probabilities,
    two_classes,
)

BINNED = [
    expected_calibration_error,
    adaptive_calibration_error,
    maximum_calibration_error,
    classwise_calibration_error,
    root_mean_square_calibration_error,
    debiased_calibration_error,
    overconfidence_error,
]
ERRORS = [*BINNED, kernel_calibration_error, overconfidence]
each_binned = pytest.mark.parametrize("error", BINNED)
each_error = pytest.mark.parametrize("error", ERRORS)

PROBABILITIES = random_probabilities(200, 5)
LABELS = random_labels(200, 5)


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


@each_error
def test_certain_and_right_has_no_error(error):
    assert error(np.eye(3), [0, 1, 2]) == 0.0


@each_error
def test_certain_and_wrong_has_all_of_it(error):
    # By class, 1 example of 3 is certain and wrong, and of the 2 where it is held
    # impossible 1 is of that class: (1 + 2 * 1/2) / 3.
    expected = 2 / 3 if error is classwise_calibration_error else 1.0
    assert error(np.eye(3), [1, 2, 0]) == pytest.approx(expected)


@each_error
def test_one_class_is_never_wrong(error):
    assert error(np.ones((4, 1)), [0, 0, 0, 0]) == 0.0


@each_error
def test_one_example_tells_nothing_of_noise(error):
    estimate = error([[0.2, 0.8]], [1])
    signed = error is overconfidence
    expected = -0.2 if signed else 0.2
    if error in {debiased_calibration_error, overconfidence_error}:
        expected = 0.0
    assert estimate == pytest.approx(expected)
    assert estimate.count == 1
    # Wilson's interval of 1 of 1 is 0.21..1, 0.59 below 0.8 and 0.2 above.
    farthest = 0.8 - 1 / (1 + 1.959964**2)
    high = farthest if error is maximum_calibration_error else 1.0
    assert estimate.low == (-1.0 if signed else 0.0)
    assert estimate.high == pytest.approx(high, rel=1e-6)


@each_error
def test_one_cluster_tells_nothing_of_noise(error):
    estimate = error(PROBABILITIES, LABELS, groups=np.zeros(200, dtype=int))
    assert estimate == error(PROBABILITIES, LABELS)
    if error is maximum_calibration_error:
        # Each bin then has one example, whose gap of .96 leaves little doubt.
        assert estimate.low < 0.1
    else:
        assert estimate.low == (-1.0 if error is overconfidence else 0.0)
        assert estimate.high == 1.0


@each_error
def test_all_of_the_same_confidence(error):
    labels = np.arange(30) % 2
    estimate = error(two_classes(*[0.8] * 30), labels)
    debiased = math.sqrt(0.09 - 0.25 / 29)
    expected = {overconfidence_error: 0.8 * 0.3, debiased_calibration_error: debiased}
    assert estimate == pytest.approx(expected.get(error, 0.3))
    assert estimate.low < estimate < estimate.high


@each_binned
@pytest.mark.parametrize("num_bins", [1, 2, 1000])
def test_few_and_many_bins(error, num_bins):
    estimate = error(PROBABILITIES, LABELS, num_bins)
    assert 0 <= estimate.low <= estimate <= estimate.high <= 1


@each_binned
def test_confidences_on_edges_and_at_both_ends(error):
    edges = np.arange(11) / 10
    estimate = error(two_classes(*edges), np.arange(11) % 2, 10)
    assert 0 <= estimate.low <= estimate <= estimate.high <= 1


def test_a_confidence_on_an_edge_belongs_below_it():
    """0.7 shares (.6, .7] with .65; its gap of -.3 then offsets .65.

    An edge of 0.7000000000000001, as a multiple of 0.1 has it, would do the same for
    the value, but one of 0.6999999999999999 would not.
    """
    error = expected_calibration_error(two_classes(0.65, 0.7), [0, 1], 10)
    assert error == pytest.approx((0.65 - 0.3) / 2)
    above = two_classes(0.65, np.nextafter(0.7, 1))
    assert expected_calibration_error(above, [0, 1], 10) == pytest.approx(0.95 / 2)


@each_error
def test_estimates_hold_their_value_and_count_examples(error):
    estimate = error(PROBABILITIES.astype(np.float32), LABELS)
    assert estimate.low <= estimate <= estimate.high
    assert estimate.low < estimate.high
    assert estimate.count == 200
    methods = {maximum_calibration_error: "Wilson", overconfidence: "Student t"}
    assert estimate.method == methods.get(error, "bootstrap")


@each_error
def test_order_of_examples_does_not_matter(error):
    order = np.random.default_rng(5).permutation(200)
    shuffled = error(PROBABILITIES[order], LABELS[order])
    assert shuffled == pytest.approx(error(PROBABILITIES, LABELS), rel=1e-12)


@each_error
def test_names_of_classes_do_not_matter(error):
    order = np.array([3, 0, 4, 1, 2])  # new class -> old class
    renamed = error(PROBABILITIES[:, order], np.argsort(order)[LABELS])
    assert renamed == pytest.approx(error(PROBABILITIES, LABELS), rel=1e-12)


@pytest.mark.parametrize(
    "error", [each for each in ERRORS if each is not debiased_calibration_error]
)
def test_duplicating_the_data_changes_nothing(error):
    twice = error(np.tile(PROBABILITIES, (2, 1)), np.tile(LABELS, 2))
    assert twice == pytest.approx(error(PROBABILITIES, LABELS), rel=1e-12)


@each_error
def test_clusters_of_copies_have_the_interval_of_the_originals(error):
    """Five copies of each example tell no more than one.

    Of a mean the two differ not at all, and no more of the bootstrap of sums: it draws
    the same clusters. The debiased value, and a kernel's shift by it, are of N.
    """
    once = error(PROBABILITIES, LABELS)
    rows, labels = np.repeat(PROBABILITIES, 5, axis=0), np.repeat(LABELS, 5)
    copies = error(rows, labels, groups=np.repeat(np.arange(200), 5))
    assert copies.low == pytest.approx(once.low, abs=1e-9)
    high = max(once.high, copies) if error is debiased_calibration_error else once.high
    assert copies.high == pytest.approx(high, abs=1e-9)
    assert copies.count == 1000
    naive = error(rows, labels)
    assert naive.high - naive.low < copies.high - copies.low


@each_error
def test_samples_are_judged_by_their_mean(error):
    samples = random_probabilities(8, 200, 5, seed=6)
    expected = error(samples.mean(axis=0), LABELS)
    assert error(samples, LABELS) == pytest.approx(expected, rel=1e-12)
    assert error(samples, LABELS) != pytest.approx(error(samples[0], LABELS))


@each_error
def test_arguments_are_checked_and_left_alone(error):
    probabilities, labels = PROBABILITIES.copy(), LABELS.copy()
    error(probabilities, labels)
    np.testing.assert_array_equal(probabilities, PROBABILITIES)
    np.testing.assert_array_equal(labels, LABELS)
    with pytest.raises(ValueError, match="Were logits passed by mistake"):
        error([[4.0, -1.0]], [0])
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.4, got 5 at"):
        error(PROBABILITIES, LABELS + 1)
    with pytest.raises(ValueError, match="groups must be a vector with one entry"):
        error(PROBABILITIES, LABELS, groups=[1, 2])
    with pytest.raises(ValueError, match="probabilities must be non-empty"):
        error(np.zeros((0, 5)), np.zeros(0, dtype=int))


@each_binned
def test_number_of_bins_is_checked(error):
    with pytest.raises(ValueError, match="num_bins must be an integer of at least 1"):
        error(PROBABILITIES, LABELS, 0)


@pytest.mark.parametrize(
    ("count", "num_classes", "cluster", "sets"),
    [(200, 10, 10, 60), (1000, 100, 1, 15)],
)
def test_classwise_errors_of_sparse_bins_may_be_0(count, num_classes, cluster, sets):
    """Of 60 sets of a calibrated model 95 % cover, less 2.2 standard errors of 2.8 %.

    Of 15 it is 2.2 of 5.6 %. Bins of one or two examples once left 53 % and 16 %.
    """
    covered = [
        classwise_calibration_error(rows, labels, groups=groups).low == 0
        for rows, labels, groups in (
            calibrated(count, num_classes, seed, cluster) for seed in range(sets)
        )
    ]
    assert np.mean(covered) >= (0.88 if sets == 60 else 0.82)


def test_three_right_answers_do_not_rule_out_an_error():
    rows, labels = np.tile([0.9, 0.1], (3, 1)), np.zeros(3, dtype=int)
    found = overconfidence(rows, labels)
    assert found == pytest.approx(-0.1)
    assert found.low == pytest.approx(-0.1)  # nothing is righter than right
    assert found.high == pytest.approx(0.9 - wilson_interval(3, 3)[0])
    for error in (expected_calibration_error, adaptive_calibration_error):
        assert error(rows, labels).high > 0.5


def test_perfect_predictions_leave_what_wilsons_interval_does():
    rows, labels = np.tile([1.0, 0.0], (500, 1)), np.zeros(500, dtype=int)
    miss = float(1 - wilson_interval(500, 500)[0])
    for error in (
        expected_calibration_error,
        adaptive_calibration_error,
        classwise_calibration_error,
        overconfidence_error,
    ):
        found = error(rows, labels)
        assert (found, found.low) == (0, 0)
        assert found.high == pytest.approx(miss)
