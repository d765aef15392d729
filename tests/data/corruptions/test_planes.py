"""Tests of what several corruptions do to planes of pixels."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform, map_coordinates

from data.corruptions.planes import (
    clouds,
    enlargement,
    resampled,
    streaked,
    taken,
    zoomed,
)
from tests.data.corruptions.examples import colour_32, draws, floats


@pytest.mark.parametrize(("side", "times"), [(8, 1), (28, 1), (32, 1), (64, 2)])
def test_lengths_grow_with_images_beyond_those_of_the_settings(side, times):
    assert enlargement(np.zeros((1, 1, side, 2 * side), np.float32)) == times


def test_resampling_is_linear_interpolation_with_the_edge_beyond_the_edge():
    line = np.array([[0, 10, 30]], np.float32)
    places = np.array([-1, 0, 0.25, 1.5, 2, 7], np.float32)
    expected = [[0, 0, 2.5, 20, 30, 30]]
    np.testing.assert_allclose(resampled(line, places, 1), expected)
    np.testing.assert_allclose(resampled(line.T, places, 0).T, expected)


@pytest.mark.parametrize("factor", [1, 1.3, 2.25])
def test_zooming_agrees_with_scipy(factor):
    images = floats(colour_32()[:3, :, :, :28])
    offset = [(n - 1) / 2 * (1 - 1 / factor) for n in images.shape[2:]]
    expected = affine_transform(
        images, [1, 1, 1 / factor, 1 / factor], [0, 0, *offset], order=1, mode="nearest"
    )
    np.testing.assert_allclose(zoomed(images, factor), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (33, 20)])
def test_clouds_reach_from_0_to_1(shape):
    planes = clouds(draws(5), *shape, 2.0)
    assert planes.shape == (5, 1, *shape)
    np.testing.assert_array_equal(planes.min(axis=(1, 2, 3)), 0)
    np.testing.assert_array_equal(planes.max(axis=(1, 2, 3)), 1)


def test_clouds_of_slower_decay_are_rougher():
    def roughness(decay):
        return np.abs(np.diff(clouds(draws(20), 32, 32, decay), axis=3)).mean()

    assert roughness(3) < roughness(2) < roughness(1.5)


def test_a_trace_has_the_direction_of_its_image_and_keeps_the_light():
    dot = np.zeros((2, 1, 21, 21), np.float32)
    dot[:, :, 10, 10] = 1
    right, down = streaked(dot, np.array([0, 90], np.float32), 4, 2)[:, 0]
    np.testing.assert_allclose(down, right.T)
    np.testing.assert_allclose(right.sum(), 1, rtol=1e-6)
    steps = np.exp(-(np.arange(7) ** 2) / 8)  # up to three deviations
    np.testing.assert_allclose(right[10, 10:17], steps / steps.sum(), rtol=1e-6)
    assert not right[:, :10].any()


def test_a_trace_ends_at_twice_the_radius():
    dot = np.zeros((1, 1, 21, 21), np.float32)
    dot[..., 10, 5] = 1
    trace = streaked(dot, np.zeros(1, np.float32), 2, 9)[0, 0, 10]
    assert list(np.flatnonzero(trace)) == [5, 6, 7, 8, 9]


def test_pixels_are_taken_from_the_same_image_in_all_channels():
    images = floats(colour_32()[:4])
    generator = np.random.default_rng(0)
    places = generator.integers(32 * 32, size=(4, 32, 32))
    found = taken(images, places)
    for row in range(4):
        coordinates = np.unravel_index(places[row], (32, 32))
        for channel in range(3):
            expected = map_coordinates(images[row, channel], coordinates, order=0)
            np.testing.assert_array_equal(found[row, channel], expected)
