"""What the package accepts as probabilities and labels, and how it refuses."""

import re

import numpy as np
import pandas as pd
import pytest

from calibration._checks import (
    check_at_least_one,
    check_distributions,
    check_groups,
    check_labels,
    check_probabilities,
    check_seed,
    predictive,
    predictive_and_labels,
)
from tests.calibration.examples import random_probabilities, softmax


def refuse(call, *args, match):
    with pytest.raises(ValueError, match=re.escape(match)):
        call(*args)


@pytest.mark.parametrize("shape", [(7, 3), (4, 7, 3), (1, 1, 1), (1, 2)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_valid_probabilities_pass_unchanged_and_uncopied(shape, dtype):
    probabilities = random_probabilities(*shape, dtype=dtype)
    assert check_probabilities(probabilities) is probabilities


def test_lists_and_exact_zeros_and_ones_pass():
    assert check_probabilities([[0.0, 1.0], [1.0, 0.0]]).shape == (2, 2)


def test_float32_softmax_over_many_classes_passes():
    logits = np.random.default_rng(0).normal(size=(5, 10_000), scale=5)
    assert check_probabilities(softmax(logits.astype(np.float32))).shape[1] == 10_000


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2, 2), ()])
def test_wrong_number_of_axes_is_refused(shape):
    message = (
        "probabilities must be [N, C] or [S, N, C] (posterior samples first), "
        f"got shape {shape}."
    )
    refuse(check_probabilities, np.full(shape, 0.5), match=message)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 5, 3), (2, 0, 3)])
def test_empty_probabilities_are_refused(shape):
    message = f"probabilities must be non-empty, got shape {shape}."
    refuse(check_probabilities, np.zeros(shape), match=message)


def test_a_lone_number_is_no_distribution():
    message = "probabilities must be non-empty, got shape ()."
    refuse(check_distributions, 1.0, match=message)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.complex128, np.str_])
def test_other_types_are_refused(dtype):
    one_hot = np.eye(3).astype(dtype)
    message = f"probabilities must be floating point, got dtype {one_hot.dtype}."
    refuse(check_probabilities, one_hot, match=message)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_first_non_finite_entry_is_named(value):
    probabilities = random_probabilities(2, 5, 3)
    probabilities[1, 3, 2] = probabilities[1, 4, 0] = value
    message = (
        f"probabilities must be finite, got {value} at probabilities[1, 3, 2]. "
        "Did training diverge, or were log-probabilities passed?"
    )
    refuse(check_probabilities, probabilities, match=message)


def test_logits_are_refused_with_the_likely_cause():
    logits = [[0.5, 0.5], [3.25, 0.25]]
    message = (
        "probabilities must be in 0..1, got 3.25 at probabilities[1, 0]. "
        "Were logits passed by mistake? Apply softmax over the last axis first."
    )
    refuse(check_probabilities, logits, match=message)
    negative = "must be in 0..1, got -0.5 at probabilities[0, 1]. Were logits"
    refuse(check_probabilities, [[0.9, -0.5]], match=negative)


def test_log_probabilities_are_refused_with_the_likely_cause():
    logs = np.log([[0.5, 0.5]])
    message = (
        "got -0.693147 at probabilities[0, 0]. "
        "Were log-probabilities passed by mistake? Apply exp first."
    )
    refuse(check_probabilities, logs, match=message)


def test_rows_that_do_not_sum_to_one_are_named():
    probabilities = random_probabilities(2, 5, 3)
    probabilities[1, 2] = [0.5, 0.25, 0.5]
    message = (
        "probabilities must sum to 1 over classes, got 1.25 in row "
        "probabilities[1, 2]. Every row needs all C classes along the last axis, "
        "normalised by softmax: not sigmoids, not the positive class alone."
    )
    refuse(check_probabilities, probabilities, match=message)


@pytest.mark.parametrize(("error", "accepted"), [(9e-4, True), (1.1e-3, False)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_are_held_to_one_in_a_thousand(error, accepted, sign):
    probabilities = [[0.5, 0.5 + sign * error]]
    if accepted:
        assert check_probabilities(probabilities).shape == (1, 2)
    else:
        refuse(check_probabilities, probabilities, match="must sum to 1")


def test_the_name_of_the_argument_is_the_callers():
    refuse(check_probabilities, [[2.0, 0.0]], "mine", match="mine must be in 0..1")
    refuse(check_probabilities, [[2.0, 0.0]], "mine", match="at mine[0, 0]")
    refuse(predictive, [0.5, 0.5], "mine", match="mine must be [N, C]")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_of_any_integer_type_become_indices(dtype):
    labels = check_labels(np.array([2, 0, 1], dtype=dtype), 3, 3)
    assert labels.dtype == np.intp
    assert labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.eye(3, dtype=int),
            "labels must be class indices of shape [N], got shape (3, 3). "
            "Take argmax over classes if they are one-hot.",
        ),
        (
            [0, 1],
            "labels must have one entry for each of 3 examples, got 2. "
            "Are the probabilities [S, N, C], samples first?",
        ),
        ([0.0, 1.0, 2.0], "labels must be integers, got dtype float64."),
        ([True, False, True], "labels must be integers, got dtype bool."),
        (
            [1, 2, 3],
            "labels must be in 0..2, got 3 at labels[2]. Classes are counted from 0, "
            "and there is no 'ignore' label.",
        ),
        ([0, -1, 2], "labels must be in 0..2, got -1 at labels[1]."),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    refuse(check_labels, labels, 3, 3, match=message)


def test_counts_are_whole_and_positive():
    assert check_at_least_one(np.int32(4), "num_bins") == 4
    for value in (0, -3, 2.0, None):
        message = f"num_bins must be an integer of at least 1, got {value!r}."
        refuse(check_at_least_one, value, "num_bins", match=message)


def test_predictive_is_the_mean_over_samples_in_float64():
    samples = random_probabilities(6, 5, 3, dtype=np.float32)
    mean = predictive(samples)
    assert mean.dtype == np.float64
    np.testing.assert_allclose(mean, samples.astype(np.float64).mean(axis=0))


def test_predictive_of_one_model_is_a_copy_of_it():
    probabilities = random_probabilities(5, 3)
    mean = predictive(probabilities)
    np.testing.assert_array_equal(mean, probabilities)
    assert not np.shares_memory(mean, probabilities)


def test_predictive_never_exceeds_one():
    above = np.nextafter(np.float32(1), np.float32(2))
    assert predictive(np.array([[above, 0]], dtype=np.float32)).max() == 1.0


def test_labels_are_checked_against_the_probabilities():
    probabilities = random_probabilities(4, 5, 3)
    mean, labels = predictive_and_labels(probabilities, [0, 1, 2, 0, 1])
    assert mean.shape == (5, 3)
    assert labels.tolist() == [0, 1, 2, 0, 1]
    refuse(predictive_and_labels, probabilities, [0] * 4, match="each of 5 examples")
    refuse(predictive_and_labels, probabilities, [3] * 5, match="in 0..2")


def test_masked_arrays_are_refused():
    mask = np.zeros((3, 2), dtype=bool)
    mask[1] = True
    rows = np.ma.MaskedArray(np.full((3, 2), 0.5), mask)
    with pytest.raises(ValueError, match="rows must not be masked; drop the masked"):
        predictive(rows, "rows")
    labels = np.ma.MaskedArray([0, 1, 1], mask[:, 0])
    with pytest.raises(ValueError, match="labels must not be masked"):
        check_labels(labels, 3, 2)
    with pytest.raises(ValueError, match="groups must not be masked"):
        check_groups(labels, 3)
    unmasked = np.ma.MaskedArray(np.full((3, 2), 0.5))
    assert predictive(unmasked).tolist() == [[0.5, 0.5]] * 3


@pytest.mark.parametrize(
    "groups",
    [
        np.array(["b", "a", "b"], dtype=object),
        np.array([7, 2, 7], dtype=object),
        pd.Series(["b", "a", "b"]),
        pd.Categorical(["b", "a", "b"]),
        pd.Series([7, 2, 7]).astype("category"),
    ],
)
def test_groups_may_be_objects(groups):
    assert check_groups(groups, 3).tolist() == [1, 0, 1]


@pytest.mark.parametrize("groups", [["a", 1, "a"], [None, "a", "a"], [True, 1, 2]])
def test_objects_of_several_kinds_are_no_groups(groups):
    with pytest.raises(ValueError, match=r"dtype object.*groups\.astype\(str\)"):
        check_groups(np.array(groups, dtype=object), 3)


def test_rounding_below_0_is_taken_for_0():
    assert predictive(np.array([[1 + 1e-9, -1e-9]])).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match=r"in 0\.\.1, got -1e-05"):
        predictive(np.array([[1 + 1e-5, -1e-5]]))


@pytest.mark.parametrize("value", [True, 1.0, "3", None])
def test_counts_and_seeds_are_whole_numbers(value):
    with pytest.raises(ValueError, match="num_bins must be an integer of at least 1"):
        check_at_least_one(value, "num_bins")
    with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
        check_seed(value)
