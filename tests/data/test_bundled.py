"""Tests of the images that come with scikit-learn."""

import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from data.bundled import digits, photo_patches
from data.catalogue import DATASETS


def test_digits_are_all_there_on_the_scale_of_bytes():
    split = digits()
    spec, bunch = DATASETS["digits"], load_digits()
    assert split.inputs.shape == (spec.train_size, *spec.shape)
    assert split.inputs.dtype == np.uint8
    assert (split.inputs.min(), split.inputs.max()) == (0, 255)
    np.testing.assert_array_equal(split.labels, bunch.target)
    grey_levels = np.rint(split.inputs[:, 0] * (16 / 255))
    np.testing.assert_array_equal(grey_levels, bunch.images)


def test_patches_are_always_the_same():
    np.testing.assert_array_equal(photo_patches().inputs, photo_patches().inputs)


def test_patches_are_what_the_catalogue_says():
    split, spec = photo_patches(), DATASETS["photo-patches"]
    assert split.inputs.shape == (spec.test_size, *spec.shape)
    assert split.inputs.dtype == np.uint8
    assert set(split.labels) == set(range(spec.num_classes))
    assert len({patch.tobytes() for patch in split.inputs}) > 1_900


def test_patch_is_found_in_its_photograph():
    split, bunch = photo_patches(), load_sample_images()
    names = DATASETS["photo-patches"].class_names
    for patch, label in zip(split.inputs[:4], split.labels[:4], strict=True):
        photograph = bunch.images[label]
        assert names[label] in bunch.filenames[label]
        windows = np.lib.stride_tricks.sliding_window_view(photograph, (32, 32), (0, 1))
        corners = np.argwhere((windows[..., 0, 0] == patch[:, 0, 0]).all(axis=-1))
        assert any(np.array_equal(windows[y, x], patch) for y, x in corners)
