"""Tests of bringing images to another size and colour."""

import numpy as np
import pytest
from PIL import Image

from data.adapt import adapt_images, channels_first
from tests.data.writers import labelled_images


def flat(colour, size=(6, 6)):
    """Make one image of one colour, [1, C, H, W]."""
    pixels = np.array(colour, dtype=np.uint8).reshape(1, -1, 1, 1)
    return np.broadcast_to(pixels, (1, len(colour), *size)).copy()


def test_images_of_the_right_shape_are_passed_on():
    images, _ = labelled_images(3, (3, 8, 8))
    assert adapt_images(images, (3, 8, 8)) is images


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 4, 7), (1, 2, 2)])
@pytest.mark.parametrize("source", [(1, 8, 8), (3, 32, 32), (3, 9, 5)])
def test_any_shape_becomes_any_other(source, shape):
    images, _ = labelled_images(2, source)
    adapted = adapt_images(images, shape)
    assert adapted.shape == (2, *shape)
    assert adapted.dtype == np.uint8


def test_grey_turns_rgb_by_repetition():
    np.testing.assert_array_equal(
        adapt_images(flat([77]), (3, 6, 6)), flat([77, 77, 77])
    )


def test_rgb_turns_grey_by_luma():
    adapted = adapt_images(flat([200, 100, 50]), (1, 6, 6))
    assert np.unique(adapted).tolist() == [
        round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    ]


def test_channels_keep_their_places():
    adapted = adapt_images(flat([10, 20, 30]), (3, 9, 4))
    np.testing.assert_array_equal(adapted, flat([10, 20, 30], (9, 4)))


def test_shrinking_averages_over_all_pixels():
    """One row in four is white: sampling without antialiasing gives black or white."""
    stripes = np.zeros((1, 1, 32, 32), np.uint8)
    stripes[:, :, ::4] = 255
    adapted = adapt_images(stripes, (1, 4, 4))
    np.testing.assert_allclose(adapted, 255 / 4, atol=8)


def test_no_images_stay_none():
    assert adapt_images(np.empty((0, 1, 8, 8), np.uint8), (3, 4, 4)).shape == (
        0,
        3,
        4,
        4,
    )


@pytest.mark.parametrize(("source", "wanted"), [(2, 3), (3, 4)])
def test_other_channels_are_refused(source, wanted):
    images = np.zeros((1, source, 4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"channels must be 1 or 3, got [24]\."):
        adapt_images(images, (wanted, 4, 4))


def test_channels_first_takes_grey_and_colour():
    assert channels_first(Image.new("L", (4, 2))).shape == (1, 2, 4)
    assert channels_first(Image.new("RGB", (4, 2))).shape == (3, 2, 4)
