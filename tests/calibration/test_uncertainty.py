"""Entropies by hand and by loop; their decomposition against its identities."""

import math

import numpy as np
import pytest

from calibration import decompose, entropy
from calibration.uncertainty import (
    predictive_uncertainty,
    predictive_variance,
    variation_ratio,
)
from tests.calibration.examples import random_probabilities, two_classes


def test_entropy_by_hand():
    rows = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.25, 0.25]]
    expected = [0.0, math.log(2), 1.5 * math.log(2)]
    assert entropy(rows) == pytest.approx(expected)


@pytest.mark.parametrize("num_classes", [1, 2, 10, 1000])
def test_entropy_runs_from_zero_to_the_log_of_the_classes(num_classes):
    assert entropy(np.full(num_classes, 1 / num_classes)) == pytest.approx(
        math.log(num_classes)
    )
    one_hot = entropy(np.eye(num_classes))
    assert np.all(one_hot == 0)
    assert not np.any(np.signbit(one_hot))


def test_entropy_keeps_leading_axes_and_equals_a_loop():
    probabilities = random_probabilities(3, 2, 4, 5)
    result = entropy(probabilities)
    assert result.shape == (3, 2, 4)
    for index in np.ndindex(3, 2, 4):
        total = -sum(p * math.log(p) for p in probabilities[index])
        assert result[index] == pytest.approx(total)


def test_entropy_is_never_negative_where_float32_rounds_up():
    above = np.nextafter(np.float32(1), np.float32(2))
    assert entropy(np.array([above, 0], dtype=np.float32)) == 0


def test_entropy_checks_its_argument():
    with pytest.raises(ValueError, match="must sum to 1"):
        entropy([0.5, 0.6])


def test_samples_that_agree_leave_no_mutual_information():
    sample = random_probabilities(20, 4)
    parts = decompose(np.tile(sample, (6, 1, 1)))
    np.testing.assert_allclose(parts.total, entropy(sample))
    np.testing.assert_allclose(parts.expected, entropy(sample))
    np.testing.assert_allclose(parts.mutual_information, 0, atol=1e-12)


def test_rounding_makes_no_mutual_information_negative():
    parts = decompose(np.tile(random_probabilities(200, 4), (7, 1, 1)))
    assert (parts.total - parts.expected).min() < 0
    assert parts.mutual_information.min() == 0


def test_certain_samples_that_contradict_leave_nothing_else():
    parts = decompose(two_classes([1.0], [0.0]))
    assert parts.total == pytest.approx([math.log(2)])
    assert parts.expected.tolist() == [0.0]
    assert parts.mutual_information == pytest.approx([math.log(2)])


def test_two_samples_by_hand():
    parts = decompose([[[0.9, 0.1]], [[0.5, 0.5]]])
    total = -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    first = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    expected = (first + math.log(2)) / 2
    assert parts.total == pytest.approx([total])
    assert parts.expected == pytest.approx([expected])
    assert parts.mutual_information == pytest.approx([total - expected])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parts_add_up_and_stay_in_range(dtype):
    parts = decompose(random_probabilities(7, 300, 6, scale=4, dtype=dtype))
    shared = parts.expected + parts.mutual_information
    np.testing.assert_allclose(parts.total, shared, atol=1e-6)
    for values in (parts.total, parts.expected, parts.mutual_information):
        assert values.shape == (300,)
        assert values.dtype == np.float64
        assert np.all((values >= 0) & (values <= math.log(6)))


def test_mutual_information_is_the_mean_divergence_from_the_predictive():
    samples = random_probabilities(7, 30, 4)
    divergence = samples * np.log(samples / samples.mean(axis=0))
    expected = divergence.sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(decompose(samples).mutual_information, expected)


@pytest.mark.parametrize("leading", [(), (1,)])
def test_one_model_has_no_mutual_information(leading):
    parts = decompose(random_probabilities(*leading, 9, 3))
    assert parts.mutual_information.tolist() == [0.0] * 9
    np.testing.assert_array_equal(parts.total, parts.expected)
    assert parts.total.min() > 0


def test_order_of_samples_and_classes_does_not_matter():
    samples = random_probabilities(5, 8, 3)
    original, permuted = decompose(samples), decompose(samples[::-1, :, [2, 0, 1]])
    np.testing.assert_allclose(permuted.total, original.total)
    np.testing.assert_allclose(permuted.expected, original.expected)


def test_decompose_checks_its_argument():
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        decompose([0.2, 0.3, 0.5])


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_predictive_uncertainty_runs_from_nothing_to_everything(num_classes):
    even = np.full((1, num_classes), 1 / num_classes)
    certain = np.eye(num_classes)[:1]
    uncertainty = predictive_uncertainty(np.concatenate([certain, even]))
    assert uncertainty[0] == 0
    assert 1 - 1e-12 < uncertainty[1] <= 1


def test_predictive_uncertainty_by_hand():
    coin_of_ten = [0.5, 0.5] + [0.0] * 8
    found = predictive_uncertainty([coin_of_ten])
    assert found == pytest.approx([math.log(2) / math.log(10)])
    assert predictive_uncertainty(two_classes([1.0], [0.0])) == pytest.approx([1])


def test_predictive_uncertainty_is_the_total_on_a_scale_of_its_own():
    samples = random_probabilities(5, 30, 4)
    total = decompose(samples).total
    np.testing.assert_allclose(predictive_uncertainty(samples), total / math.log(4))


@pytest.mark.parametrize(
    "measure", [predictive_uncertainty, variation_ratio, predictive_variance]
)
@pytest.mark.parametrize("shape", [(3, 1), (4, 3, 1)])
def test_one_class_leaves_nothing_uncertain(measure, shape):
    assert measure(np.ones(shape)).tolist() == [0.0] * 3


def test_variation_ratio_counts_the_votes_against_the_most_frequent():
    # Votes of five samples: 0 0 0 1 2, then 1 1 1 1 1, then 0 0 2 2 1.
    votes = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 2], [1, 1, 2], [2, 1, 1]])
    samples = 0.7 * np.eye(3)[votes] + 0.1
    assert variation_ratio(samples) == pytest.approx([0.4, 0.0, 0.6])


def test_a_tied_vote_is_for_the_first_class():
    assert variation_ratio(two_classes([0.5], [0.2])).tolist() == [0.0]
    assert variation_ratio(two_classes([0.5], [0.8])).tolist() == [0.5]


def test_predictive_variance_sums_over_classes():
    samples = random_probabilities(5, 30, 4)
    expected = samples.var(axis=0).sum(axis=1)
    np.testing.assert_allclose(predictive_variance(samples), expected)
    assert predictive_variance(two_classes([1.0], [0.0])) == pytest.approx([0.5])
    contradicting = np.eye(4)[:, None]
    assert predictive_variance(contradicting) == pytest.approx([1 - 1 / 4])


@pytest.mark.parametrize("measure", [variation_ratio, predictive_variance])
@pytest.mark.parametrize("leading", [(), (1,), (6,)])
def test_models_that_agree_have_no_variation(measure, leading):
    samples = np.broadcast_to(random_probabilities(9, 3), (*leading, 9, 3))
    assert measure(samples) == pytest.approx(np.zeros(9), abs=1e-15)


@pytest.mark.parametrize(
    "measure", [predictive_uncertainty, variation_ratio, predictive_variance]
)
def test_single_numbers_keep_their_range_and_check_their_argument(measure):
    samples = random_probabilities(7, 200, 5, scale=8, dtype=np.float32)
    values = measure(samples)
    assert values.shape == (200,)
    assert values.dtype == np.float64
    assert np.all((values >= 0) & (values <= 1))
    with pytest.raises(ValueError, match="Were logits passed by mistake"):
        measure([[3.0, -1.0]])


def test_rounding_is_no_disagreement():
    rows = random_probabilities(500, 7, dtype=np.float32)
    assert np.all(decompose(np.stack([rows] * 7)).mutual_information == 0)
