"""Tests of blurs."""

import numpy as np
import pytest
from scipy.ndimage import correlate

from data.corruptions.blur import (
    _disk,
    defocus_blur,
    glass_blur,
    motion_blur,
    zoom_blur,
)
from tests.data.corruptions.examples import colour_32, draws, floats, grey_28


def test_a_disk_is_round_and_passes_on_all_light():
    disk = _disk(3, 0.1)
    assert disk.shape == (9, 9)
    assert disk.sum() == pytest.approx(1)
    np.testing.assert_allclose(disk, disk.T)
    np.testing.assert_allclose(disk, disk[::-1])
    assert np.count_nonzero(disk > 1e-6) == 29  # points of whole numbers in radius 3
    assert np.count_nonzero(_disk(0.3, 0.01) > 1e-6) == 1


@pytest.mark.parametrize("images", [grey_28(), colour_32()], ids=["grey", "colour"])
def test_defocus_correlates_with_the_disk(images):
    images = floats(images)
    expected = correlate(images, _disk(1.5, 0.1)[None, None], mode="mirror")
    found = defocus_blur(images, draws(len(images)), 1.5, 0.1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_glass_takes_pixels_from_within_its_reach():
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32) / 64, (20, 1, 32, 32)).copy()
    moved = (glass_blur(ramp, draws(20), 0.05, 2, 1) - ramp)[..., 4:-4] * 64
    assert {int(step) for step in np.rint(moved).ravel()} == {-2, -1, 0, 1}
    np.testing.assert_allclose(moved, np.rint(moved), atol=1e-4)
    again = (glass_blur(ramp, draws(20), 0.05, 2, 2) - ramp)[..., 4:-4] * 64
    assert np.rint(again).min() == -4


def test_glass_has_the_same_pixels_in_all_channels():
    grey = np.repeat(floats(grey_28()), 3, axis=1)
    found = glass_blur(grey, draws(len(grey)), 0.4, 1, 2)
    np.testing.assert_array_equal(found[:, 0], found[:, 2])


def test_motion_is_within_45_degrees_of_the_horizontal():
    dot = np.zeros((200, 1, 41, 41), np.float32)
    dot[:, :, 20, 20] = 1
    rows, columns = np.nonzero(motion_blur(dot, draws(200), 9, 4).sum(axis=(0, 1)))
    assert columns.min() == 20
    assert (np.abs(rows - 20) <= columns - 20).all()
    assert rows.min() < 15 < 25 < rows.max()


def test_zoom_leaves_the_middle_and_blurs_the_edge():
    images = floats(colour_32())
    change = np.abs(zoom_blur(images, draws(len(images)), 1.2, 21) - images)
    assert change[..., 15:17, 15:17].mean() < 0.3 * change.mean()
    same = zoom_blur(images, draws(len(images)), 1, 3)
    np.testing.assert_allclose(same, images, atol=1e-6)
