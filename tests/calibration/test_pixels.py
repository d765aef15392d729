"""Pixels as rows: layouts, masks, order, and errors that name the pixel."""

import re

import numpy as np
import pytest

from calibration.pixels import pixels
from tests.calibration.examples import random_probabilities

N, H, W, C = 3, 4, 5, 6
LAST = random_probabilities(N, H, W, C)
SAMPLES = random_probabilities(2, N, H, W, C)
LABELS = np.random.default_rng(1).integers(C, size=(N, H, W))
MASK = np.random.default_rng(2).random((N, H, W)) < 0.6


def torch_order(last):
    """Classes after examples, whatever comes before."""
    return np.moveaxis(last, -1, last.ndim - 3)


def test_all_pixels_in_order_image_by_image_and_row_by_row():
    rows = pixels(torch_order(LAST), LABELS)
    for p, (n, h, w) in enumerate(np.ndindex(N, H, W)):
        assert np.array_equal(rows.probabilities[p], LAST[n, h, w])
        assert rows.labels[p] == LABELS[n, h, w]
        assert rows.groups[p] == n


@pytest.mark.parametrize("last", [LAST, SAMPLES], ids=["model", "samples"])
def test_classes_may_be_last(last):
    first, same = pixels(torch_order(last), LABELS), pixels(last, LABELS, class_axis=-1)
    assert np.array_equal(first.probabilities, same.probabilities)
    assert first.probabilities.shape == (*last.shape[:-4], N * H * W, C)


def test_samples_are_rows_of_each_sample():
    rows = pixels(torch_order(SAMPLES), LABELS, MASK)
    for s in range(2):
        alone = pixels(torch_order(SAMPLES[s]), LABELS, MASK)
        assert np.array_equal(rows.probabilities[s], alone.probabilities)
    assert np.array_equal(rows.labels, alone.labels)


@pytest.mark.parametrize("spatial", [(7,), (2, 3, 4)])
def test_sequences_and_volumes_have_pixels_too(spatial):
    last = random_probabilities(2, *spatial, 3)
    labels = np.zeros((2, *spatial), dtype=int)
    rows = pixels(np.moveaxis(last, -1, 1), labels)
    assert np.array_equal(rows.probabilities, last.reshape(-1, 3))
    assert rows.groups.tolist() == np.repeat([0, 1], np.prod(spatial)).tolist()


def test_masks_and_ignored_labels_leave_pixels_out():
    labels = np.where(MASK, LABELS, 255).astype(np.uint8)
    by_mask = pixels(torch_order(LAST), LABELS, MASK)
    by_label = pixels(torch_order(LAST), labels, ignore_label=255)
    assert np.array_equal(by_mask.probabilities, LAST[MASK])
    assert np.array_equal(by_label.probabilities, LAST[MASK])
    assert np.array_equal(by_label.labels, LABELS[MASK])
    assert np.array_equal(by_label.groups, np.nonzero(MASK)[0])
    assert by_label.labels.dtype == np.intp
    both = pixels(torch_order(LAST), LABELS, MASK, ignore_label=2)
    assert np.array_equal(both.labels, LABELS[MASK & (LABELS != 2)])


def test_what_is_left_out_may_be_anything():
    last, labels = LAST.copy(), LABELS.copy()
    last[~MASK], labels[~MASK] = np.nan, -1
    expected = pixels(torch_order(LAST), LABELS, MASK).probabilities
    assert np.array_equal(
        pixels(torch_order(last), labels, MASK).probabilities, expected
    )
    found = pixels(torch_order(last), labels, ignore_label=-1)
    assert np.array_equal(found.probabilities, expected)


def test_an_image_without_pixels_is_missing_from_the_groups():
    mask = np.ones((N, H, W), dtype=bool)
    mask[1] = False
    assert set(pixels(torch_order(LAST), LABELS, mask).groups) == {0, 2}


def test_types_are_kept_and_arguments_left_alone():
    last, mask = LAST.astype(np.float32), MASK.copy()
    rows = pixels(torch_order(last), LABELS, mask, ignore_label=0)
    assert rows.probabilities.dtype == np.float32
    rows.probabilities[:] = 0
    assert np.array_equal(last, LAST.astype(np.float32))
    assert np.array_equal(mask, MASK)


def spoiled(value):
    last = LAST.copy()
    last[1, 0, 3, 2] = value
    return torch_order(last)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pixels(torch_order(LAST), LABELS, np.zeros((N, H, W), dtype=bool)),
            "mask and ignore_label must leave a pixel, got none of 60 (ignore_label is "
            "None). A mask is true where a pixel counts.",
        ),
        (
            lambda: pixels(
                torch_order(LAST), np.full((N, H, W), 255), ignore_label=255
            ),
            "got none of 60 (ignore_label is 255)",
        ),
        (
            lambda: pixels(torch_order(LAST), np.full((N, H, W), 255)),
            "labels must be in 0..5, got 255 at labels[0, 0, 0]. Pass "
            "ignore_label=255 if it marks pixels without a class.",
        ),
        (
            lambda: pixels(LAST, LABELS),
            "labels must be [N, *spatial] = (3, 5, 6) like the probabilities, got "
            "shape (3, 4, 5). Is the axis of classes the one that class_axis=1 says?",
        ),
        (
            lambda: pixels(torch_order(LAST), LABELS, class_axis=2),
            "class_axis must be 1 (after examples) or -1 (last), got 2.",
        ),
        (
            lambda: pixels(LAST[0], LABELS),
            "probabilities must be [N, C, *spatial] or [S, N, C, *spatial] with 2 "
            "spatial axes, got shape (4, 5, 6).",
        ),
        (
            lambda: pixels(np.zeros((0, 2, 3, 3)), np.zeros((0, 3, 3), dtype=int)),
            "probabilities must be non-empty, got shape (0, 2, 3, 3).",
        ),
        (
            lambda: pixels(torch_order(LAST), LABELS.astype(float)),
            "labels must be integers, got dtype float64.",
        ),
        (
            lambda: pixels(torch_order(LAST), [0, 1, 2]),
            "labels must be class indices of shape [N, *spatial], got shape (3,). "
            "Give one image a first axis of length 1.",
        ),
        (
            lambda: pixels(torch_order(LAST), LABELS, LABELS),
            "mask must be boolean, true where a pixel counts, got dtype int64.",
        ),
        (
            lambda: pixels(torch_order(LAST), LABELS, MASK[0]),
            "mask must have the shape [N, *spatial] = (3, 4, 5), got (4, 5).",
        ),
        (
            lambda: pixels(spoiled(np.nan), LABELS),
            "probabilities[image 1] must be finite, got nan at "
            "probabilities[image 1][3, 2].",
        ),
        (
            lambda: pixels(spoiled(4.0), LABELS),
            "got 4 at probabilities[image 1][3, 2]. Were logits passed by mistake?",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
