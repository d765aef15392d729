"""Tests of splits and normalisation."""

import numpy as np
import pytest

from data.arrays import LoadedDataset, Normalisation, Split
from data.catalogue import DATASETS
from tests.data.writers import labelled_images


def image_split(num_images=7, shape=(3, 4, 5)):
    return Split.whole(*labelled_images(num_images, shape, num_classes=3))


def test_whole_numbers_its_rows():
    split = Split.whole(np.zeros((3, 2), np.float32), np.array([0, 1, 1], np.uint8))
    assert split.indices.tolist() == [0, 1, 2]
    assert split.labels.dtype == split.indices.dtype == np.int64
    assert len(split) == 3


def test_take_keeps_the_rows_of_the_source():
    split = image_split()
    once = split.take(np.array([6, 2, 4]))
    twice = once.take(np.array([1, 2]))
    assert twice.indices.tolist() == [2, 4]
    np.testing.assert_array_equal(twice.inputs, split.inputs[[2, 4]])
    np.testing.assert_array_equal(twice.labels, split.labels[[2, 4]])


def test_take_copies():
    split = image_split()
    split.take(np.arange(7)).inputs[:] = 0
    assert split.inputs.any()


def test_split_of_uneven_lengths_is_refused():
    rows = np.arange(3)
    with pytest.raises(ValueError, match=r"must be of one length, got \(2, 3, 3\)\."):
        Split(np.zeros((2, 2)), rows, rows)


def test_image_constants_are_those_of_the_pixels_over_255(monkeypatch):
    inputs = image_split(50).inputs
    expected = inputs.astype(np.float64) / 255
    # Less than two images at a time: the sums must not depend on the chunks.
    monkeypatch.setattr("data.arrays._CHUNK", 100)
    fitted = Normalisation.fit(inputs)
    np.testing.assert_allclose(fitted.mean, expected.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(fitted.std, expected.std(axis=(0, 2, 3)), rtol=1e-6)
    assert fitted.mean.dtype == fitted.std.dtype == np.float32


def test_applied_to_its_own_inputs_gives_mean_0_and_deviation_1():
    inputs = image_split(200).inputs
    applied = Normalisation.fit(inputs).apply(inputs)
    assert applied.dtype == np.float32
    assert applied.shape == inputs.shape
    np.testing.assert_allclose(applied.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(applied.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_points_are_not_divided_by_255():
    points = np.array([[0, 1e4], [4, 1e4 + 2]], np.float32)
    fitted = Normalisation.fit(points)
    assert fitted.mean.tolist() == [2, 10_001]
    assert fitted.std.tolist() == [2, 1]
    assert fitted.apply(points).tolist() == [[-1, -1], [1, 1]]


def test_apply_leaves_its_input_alone():
    points = np.ones((2, 2), np.float32)
    Normalisation(np.ones(2, np.float32), np.ones(2, np.float32)).apply(points)
    assert points.tolist() == [[1, 1], [1, 1]]


def test_channel_that_never_varies_keeps_deviation_1():
    inputs = np.full((4, 1, 2, 2), 51, np.uint8)
    fitted = Normalisation.fit(inputs)
    assert fitted.std.tolist() == [1]
    np.testing.assert_allclose(fitted.apply(inputs), 0, atol=1e-7)


def test_apply_takes_an_empty_split():
    fitted = Normalisation.fit(image_split().inputs)
    assert fitted.apply(np.empty((0, 3, 4, 5), np.uint8)).shape == (0, 3, 4, 5)


def test_fit_refuses_no_inputs():
    with pytest.raises(
        ValueError, match=r"at least one example, got shape \(0, 1, 2, 2"
    ):
        Normalisation.fit(np.empty((0, 1, 2, 2), np.uint8))


def test_apply_refuses_other_channels():
    fitted = Normalisation.fit(image_split().inputs)
    with pytest.raises(
        ValueError, match=r"3 channels on axis 1, got shape \(2, 1, 4, 5"
    ):
        fitted.apply(np.zeros((2, 1, 4, 5), np.uint8))


def test_loaded_dataset_knows_its_shape_and_classes():
    split = image_split()
    fitted = Normalisation.fit(split.inputs)
    loaded = LoadedDataset(DATASETS["folder"], ("a", "b"), split, split, split, fitted)
    assert loaded.input_shape == (3, 4, 5)
    assert loaded.num_classes == 2
