"""Calibration errors at the edges, under changes that must not matter, clustered."""

import math

import numpy as np
import pytest

from calibration.calibration_errors import (
    adaptive_calibration_error,
    classwise_calibration_error,
    debiased_calibration_error,
    expected_calibration_error,
    maximum_calibration_error,
    overconfidence,
    overconfidence_error,
)
from calibration.intervals import wilson_interval
from tests.calibration.error_cases import (
    ERRORS,
    LABELS,
    PROBABILITIES,
    each_binned,
    each_error,
)
from tests.calibration.examples import (
    calibrated,
    random_probabilities,
    two_classes,
)


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
