"""What distributions ask of their arguments, and the bounds on numbers."""

import re

import numpy as np
import pytest

from calibration.distributions import LARGEST, Empirical, Gaussian, GaussianMixture
from calibration.distributions.base import PredictiveDistribution, check_numbers, parts

NAN, INF = float("nan"), float("inf")
SIZE = "must be finite and at most 1e+35 in size, got"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian([0.0, NAN], [1, 1]), f"mean {SIZE} nan at mean[1]. Did trai"),
        (lambda: Gaussian([0.0], [INF]), f"deviation {SIZE} inf at deviation[0]. Did"),
        (lambda: Gaussian([0.0], [1e36]), f"deviation {SIZE} 1e+36 at deviation[0]."),
        (
            lambda: Gaussian([0.0, 0.0], [1.0, -0.7]),
            "deviation must be above 0 (at least 1e-35), got -0.7 at deviation[1]. "
            "Was the logarithm of a deviation or of a variance passed?",
        ),
        (
            lambda: Gaussian([0.0, 0.0], [1.0, 0.0]),
            "got 0 at deviation[1]. Did the predicted noise collapse?",
        ),
        (
            lambda: Gaussian([0.0, 0.0], [1.0]),
            "deviation must have the shape (2,) of the means, got (1,).",
        ),
        (
            lambda: Gaussian([[0.0]], [[1.0]]),
            "mean must be [N], got shape (1, 1). Drop an axis of length 1; ravel "
            "several outputs, and give their example as groups.",
        ),
        (lambda: Gaussian([], []), "mean must be non-empty, got shape (0,)."),
        (lambda: Gaussian(["a"], [1]), "mean must be real numbers, got dtype <U1."),
        (lambda: Gaussian([True], [1]), "mean must be real numbers, got dtype bool."),
        (
            lambda: GaussianMixture([[0.0, 1.0]] * 3, [[1, 1], [1, 1], [1, -2]]),
            "got -2 at deviations[2, 1]. Was the logarithm",
        ),
        (
            lambda: GaussianMixture([0.0], [1.0]),
            "means must be [S, N] (posterior samples first), got shape (1,).",
        ),
        (lambda: Empirical([[0.0], [-INF]]), f"draws {SIZE} -inf at draws[1, 0]."),
        (lambda: Empirical(np.zeros((0, 3))), "draws must be non-empty, got shape (0"),
    ],
)
def test_a_bad_prediction_is_refused_with_row_value_and_cause(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0.0, NAN], f"targets {SIZE} nan at targets[1]. Did training diverge, or is"),
        ([[0.0], [1.0]], "targets must be [N], got shape (2, 1). Drop an axis of"),
        (
            [0.0] * 3,
            "targets must have one entry for each of 2 examples, got 3. "
            "Are the predictions [S, N], samples first?",
        ),
        (["a", "b"], "targets must be real numbers, got dtype <U1."),
    ],
)
@pytest.mark.parametrize("measure", ["log_density", "cdf", "crps"])
def test_bad_targets_are_refused(measure, targets, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(Gaussian([0.0, 1.0], [1.0, 1.0]), measure)(targets)


@pytest.mark.parametrize("level", [0, 1, -0.1, 95, NAN])
def test_levels_are_between_zero_and_one(level):
    with pytest.raises(ValueError, match=f"level must be between 0 and 1, got {level}"):
        Gaussian([0.0], [1.0]).quantile(level)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("deviation", [1 / LARGEST, 1.0, LARGEST])
def test_the_largest_numbers_give_finite_scores(sign, deviation):
    for distribution in (
        Gaussian([sign * LARGEST], [deviation]),
        GaussianMixture([[sign * LARGEST], [0.0]], [[deviation], [1.0]]),
        Empirical([[sign * LARGEST], [-sign * LARGEST]]),
    ):
        scores = [distribution.crps([-sign * LARGEST]), distribution.quantile(0.3)]
        scores += [distribution.cdf([0.0]), distribution.mean, distribution.deviation]
        if not isinstance(distribution, Empirical):
            scores.append(distribution.log_density([-sign * LARGEST]))
        assert np.all(np.isfinite(scores))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_numbers_of_any_type_are_computed_with_in_double_precision(dtype):
    means, deviations = np.array([[1, 2], [3, 5]]), np.array([[1, 2], [1, 3]])
    exact = GaussianMixture(means.astype(float), deviations.astype(float))
    other = GaussianMixture(means.astype(dtype), deviations.astype(dtype))
    targets = np.array([2, 4], dtype=dtype)
    for name in ("log_density", "cdf", "crps"):
        value = getattr(other, name)(targets)
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value, getattr(exact, name)(targets))


def test_a_half_precision_deviation_of_zero_is_found():
    with pytest.raises(ValueError, match=re.escape("got 0 at deviation[0]")):
        Gaussian([0.0], np.zeros(1, dtype=np.float16))


@pytest.mark.parametrize(("count", "samples"), [(1, 1), (7, 2**16), (300_000, 3)])
def test_parts_make_all_examples_in_order(count, samples):
    indices = [i for part in parts(count, samples) for i in range(count)[part]]
    assert indices == list(range(count))
    assert max(len(range(count)[part]) for part in parts(count, samples)) >= 1


def test_arguments_are_left_alone():
    means, deviations = np.ones((2, 3)), np.ones((2, 3))
    targets = np.zeros(3)
    for distribution in (GaussianMixture(means, deviations), Empirical(means)):
        distribution.crps(targets)
        distribution.cdf(targets)
        distribution.quantile(0.5)
    assert np.all(means == 1)
    assert np.all(deviations == 1)
    assert np.all(targets == 0)


def test_a_distribution_says_how_many_examples_it_has():
    distributions: list[PredictiveDistribution] = [
        Gaussian([0.0] * 4, [1.0] * 4),
        GaussianMixture(np.zeros((2, 4)), np.ones((2, 4))),
        Empirical(np.zeros((3, 4))),
    ]
    assert [each.num_examples for each in distributions] == [4, 4, 4]


def test_masked_targets_are_refused():
    with pytest.raises(ValueError, match="targets must not be masked"):
        check_numbers(np.ma.MaskedArray([1.0, 2.0], [True, False]), 1, "targets")
