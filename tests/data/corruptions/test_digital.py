"""Tests of faults of processing and storing."""

import colorsys
import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from data.corruptions.digital import (
    brightness,
    contrast,
    elastic_transform,
    jpeg_compression,
    pixelate,
)
from tests.data.corruptions.examples import colour_32, draws, floats, grey_28


def test_brightness_raises_the_value_of_hsv():
    images = floats(colour_32()[:2])
    images[0, :, 0, 0] = 0  # black
    brighter = brightness(images, draws(2), 0.2)
    for place in [(0, 0, 0), (0, 3, 5), (1, 20, 30), (1, 9, 9)]:
        row, y, x = place
        hue, saturation, value = colorsys.rgb_to_hsv(*images[row, :, y, x].tolist())
        expected = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.2))
        np.testing.assert_allclose(brighter[row, :, y, x], expected, atol=1e-6)
    grey = floats(grey_28())
    expected = np.minimum(grey + np.float32(0.2), 1)
    np.testing.assert_allclose(brightness(grey, draws(40), 0.2), expected, atol=1e-6)


def test_contrast_shrinks_around_each_channels_mean():
    images = floats(colour_32())
    flat = contrast(images, draws(40), 0.3)
    plane = (2, 3)
    np.testing.assert_allclose(flat.mean(plane), images.mean(plane), atol=1e-5)
    np.testing.assert_allclose(flat.std(plane), 0.3 * images.std(plane), atol=1e-5)


def test_without_strength_nothing_is_bent():
    images = floats(colour_32())
    np.testing.assert_allclose(
        elastic_transform(images, draws(40), 0, 0.1, 0), images, atol=1e-6
    )


def test_the_affine_map_moves_three_corners_as_drawn():
    """Gradients show where pixels come from: y in one channel, x in the next."""
    side, corners = 60, 0.02
    y, x = np.mgrid[:side, :side].astype(np.float32)
    images = np.stack([y, x, y])[None] / side
    found = elastic_transform(images, draws(1), 0, 0, corners)[0, :2] * side
    moves = draws(1).uniforms(-corners * side, corners * side, 3, 2)[0]
    arm, centre = side // 3, side // 2
    for (down, right), move in zip(
        [(arm, arm), (arm, -arm), (-arm, -arm)], moves, strict=True
    ):
        place = np.array([centre + down, centre + right])
        np.testing.assert_allclose(found[:, *place], place + move, atol=1e-3)


def test_bends_are_smoothed_noise():
    image = floats(grey_28()[:1])
    found = elastic_transform(image, draws(1), 0.1, 0.05, 0)[0, 0]
    source = draws(1)
    source.uniforms(0, 0, 3, 2)
    noise = source.uniforms(-1, 1, 2, 28, 28)[0]
    bends = 2.8 * np.stack([gaussian_filter(n, 1.4, truncate=3) for n in noise])
    places = np.mgrid[:28, :28] + bends
    expected = map_coordinates(image[0, 0], places, order=1, mode="mirror")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_half_the_resolution_is_the_mean_of_blocks():
    images = floats(colour_32())
    blocks = images.reshape(40, 3, 16, 2, 16, 2).mean(axis=(3, 5))
    expected = np.repeat(np.repeat(blocks, 2, 2), 2, 3)
    found = pixelate(images, draws(40), 0.5)
    np.testing.assert_allclose(found, expected, atol=1.01 / 255)


def test_wide_images_are_pixelated_along_both_sides():
    images = np.random.default_rng(0).random((2, 1, 8, 20)).astype(np.float32)
    found = pixelate(images, draws(2), 0.5)
    assert len(np.unique(found[0])) <= 4 * 10


@pytest.mark.parametrize("images", [grey_28(), colour_32()], ids=["grey", "colour"])
def test_jpeg_is_what_pillow_reads_back(images):
    found = jpeg_compression(floats(images), draws(40), 50)
    image = images[3].transpose(1, 2, 0).squeeze()
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=50)
    expected = np.asarray(Image.open(file)).reshape(*images.shape[2:], -1)
    np.testing.assert_allclose(found[3].transpose(1, 2, 0), expected / 255, atol=1e-6)
