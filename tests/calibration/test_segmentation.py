"""Segmentation: measures of rows, overlap against scikit-learn, honest intervals."""

import re

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import jaccard_score

from calibration.bootstrap import resampling_weights
from calibration.intervals import beyond_normal, effective_size, wilson_interval
from calibration.measures import measure
from calibration.metrics import accuracy
from calibration.pixels import pixels
from calibration.segmentation import (
    evaluate_segmentation,
    intersection_over_union,
    uncertainty_maps,
)
from calibration.uncertainty import decompose
from tests.calibration.examples import random_probabilities

N, H, W, C = 6, 8, 7, 4
LAST = random_probabilities(N, H, W, C)
MAPS = np.moveaxis(LAST, -1, 1)
SAMPLES = np.moveaxis(random_probabilities(3, N, H, W, C), -1, 2)
LABELS = np.random.default_rng(1).integers(C, size=(N, H, W))
MASK = np.random.default_rng(2).random((N, H, W)) < 0.7
ROWS = pixels(MAPS, LABELS, MASK)


def certain(predicted, num_classes):
    """Probabilities of 1 for the predicted classes, ``[N, C, *spatial]``."""
    return np.moveaxis(np.eye(num_classes)[predicted], -1, 1)


def test_measures_are_those_of_rows_with_images_as_clusters():
    found = evaluate_segmentation(ROWS, num_bins=5)
    expected = measure(LAST[MASK], LABELS[MASK], 5, np.nonzero(MASK)[0])
    for name, estimate in expected.items():
        assert found[name].as_dict() == estimate.as_dict()
    assert found.keys() - expected.keys() == {
        "mean_iou",
        *(f"iou_{c}" for c in range(C)),
    }


def test_overlap_of_two_images_by_hand():
    true = np.array([[[0, 0], [1, 1]], [[0, 1], [1, 1]]])
    predicted = np.array([[[0, 1], [1, 1]], [[0, 0], [1, 2]]])
    found = intersection_over_union(pixels(certain(predicted, 5), true))
    # Class 0: 2 both, 3 true, 3 predicted; class 1: 3, 5, 4; class 2: predicted once.
    assert found["iou_0"] == 2 / 4
    assert found["iou_1"] == 3 / 6
    assert found["iou_2"] == 0
    assert found["mean_iou"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert list(found) == ["mean_iou", "iou_0", "iou_1", "iou_2"]
    assert [each.count for each in found.values()] == [8, 4, 6, 1]


@pytest.mark.parametrize("predictions", [ROWS, pixels(SAMPLES, LABELS, MASK)])
def test_overlap_equals_scikit_learn(predictions):
    rows = predictions.probabilities
    predicted = (rows if rows.ndim == 2 else rows.mean(axis=0)).argmax(axis=-1)
    found = intersection_over_union(predictions)
    expected = jaccard_score(predictions.labels, predicted, average=None)
    assert [found[f"iou_{c}"] for c in range(C)] == pytest.approx(expected.tolist())
    assert found["mean_iou"] == pytest.approx(expected.mean())


def test_the_interval_of_the_overlap_resamples_images():
    replicates = []
    true, predicted = LABELS.reshape(N, -1), LAST.argmax(axis=-1).reshape(N, -1)
    for weights in resampling_weights(N).astype(int):
        drawn = np.repeat(np.arange(N), weights)
        replicates.append(
            jaccard_score(
                true[drawn].ravel(), predicted[drawn].ravel(), average="macro"
            )
        )
    found = intersection_over_union(pixels(MAPS, LABELS))["mean_iou"]
    # Few images: Student's quantile, N - 1, and what Wilson's adds to the normal.
    few = stats.t.ppf(0.975, N - 1) / stats.norm.ppf(0.975) * np.sqrt(N / (N - 1))
    low, high = found + (np.quantile(replicates, [0.025, 0.975]) - found) * few
    farther = []
    for c in range(C):
        both = ((true == c) & (predicted == c)).sum(axis=1)
        union = ((true == c) | (predicted == c)).sum(axis=1)
        size = effective_size(both, union)
        farther.append(beyond_normal(both.sum() / union.sum(), size))
    below, above = np.mean(farther, axis=0)
    assert found.low == pytest.approx(low.clip(0) - below)
    assert found.high == pytest.approx(high.clip(0, 1) + above)


def test_classes_missing_from_a_replicate_are_left_out_of_its_mean():
    """Two images, each with a class of its own, one all right and one all wrong.

    A replicate of the second alone has classes 1 and 2, neither ever right.
    """
    true = np.zeros((2, 3), dtype=int)
    true[1] = 1
    predicted = np.where(true == 1, 2, 0)
    found = intersection_over_union(pixels(certain(predicted, 4), true))
    assert found["mean_iou"] == pytest.approx(1 / 3)
    assert (found["mean_iou"].low, found["mean_iou"].high) == (0, 1)


def test_pixels_that_agree_within_images_are_no_evidence():
    """Each image all right or all wrong: 8 images, whatever their number of pixels.

    The interval is Wilson's of 4 right images of 8.
    """
    right = np.arange(8) % 2
    true = np.zeros((8, 50, 50), dtype=int)
    predicted = np.where(right[:, None, None], true, 1)
    rows = pixels(certain(predicted, 2), true)
    found = evaluate_segmentation(rows)["accuracy"]
    assert found == 0.5
    assert (found.low, found.high) == pytest.approx(wilson_interval(4, 8))
    naive = accuracy(rows.probabilities, rows.labels)
    assert naive.high - naive.low < 0.05 * (found.high - found.low)


def test_one_image_says_nothing_of_others():
    found = evaluate_segmentation(pixels(MAPS[:1], LABELS[:1]))["accuracy"]
    assert (found.low, found.high) == (0, 1)


@pytest.mark.parametrize("maps", [MAPS, SAMPLES], ids=["model", "samples"])
def test_maps_are_shares_of_log_c(maps):
    found = uncertainty_maps(maps, MASK)
    rows = np.moveaxis(maps, -3, -1).reshape(*maps.shape[:-4], -1, C)
    parts = decompose(rows)
    for name in ("total", "expected", "mutual_information"):
        share = getattr(found, name)
        expected = getattr(parts, name).reshape(N, H, W) / np.log(C)
        assert np.array_equal(share.mask, ~MASK)
        np.testing.assert_allclose(share[MASK], expected[MASK], rtol=1e-12, atol=1e-15)
        assert np.all(share.filled()[~MASK] == 0)
    assert (found.mutual_information.max() > 0) == (maps is SAMPLES)


def test_maps_end_at_one_and_at_zero():
    even = np.full((1, 3, 2, 2), 1 / 3, dtype=np.float32)
    assert uncertainty_maps(even).total.tolist() == [
        [[pytest.approx(1, abs=1e-6)] * 2] * 2
    ]
    assert uncertainty_maps(even).total.max() <= 1
    assert uncertainty_maps(certain(LABELS, C)).total.max() == 0
    assert uncertainty_maps(np.ones((1, 1, 2, 2))).total.max() == 0  # one class


def test_maps_of_sequences_and_of_classes_last():
    sequences = random_probabilities(2, 9, C)
    found = uncertainty_maps(sequences, class_axis=-1, num_spatial=1)
    assert found.total.shape == (2, 9)
    same = uncertainty_maps(np.moveaxis(sequences, -1, 1), num_spatial=1)
    assert np.array_equal(found.total, same.total)


def test_maps_do_not_look_below_the_mask():
    maps = MAPS.copy()
    maps.transpose(0, 2, 3, 1)[~MASK] = np.nan
    found = uncertainty_maps(maps, MASK)
    assert np.array_equal(found.total, uncertainty_maps(MAPS, MASK).total)
    assert np.all(np.isfinite(found.total.data))
    nothing = uncertainty_maps(maps, np.zeros((N, H, W), dtype=bool))
    assert nothing.total.mask.all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: uncertainty_maps(MAPS, num_spatial=0),
            "num_spatial must be an intege",
        ),
        (
            lambda: uncertainty_maps(MAPS[0]),
            "with 2 spatial axes, got shape (4, 8, 7).",
        ),
        (lambda: uncertainty_maps(MAPS, MASK[0]), "mask must have the shape [N, *sp"),
        (
            lambda: uncertainty_maps(MAPS * 3),
            "probabilities[image 0] must be in 0..1, got",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
