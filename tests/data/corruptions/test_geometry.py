"""Tests of turns."""

import numpy as np

from data.corruptions.geometry import rotation
from tests.data.corruptions.examples import colour_32, draws, floats


def test_a_quarter_turn_is_to_the_left():
    images = floats(colour_32())
    turned = rotation(images, draws(40), 90)
    np.testing.assert_allclose(turned, np.rot90(images, axes=(2, 3)), atol=1e-5)
    assert rotation(images[..., :20], draws(40), 30).shape == (40, 3, 32, 20)


def test_corners_are_black():
    turned = rotation(np.ones((1, 1, 28, 28), np.float32), draws(1), 45)[0, 0]
    assert not turned[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    np.testing.assert_allclose(turned[9:19, 9:19], 1, atol=1e-5)
