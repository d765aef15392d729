"""Tests of weather."""

import numpy as np
import pytest

from data.corruptions.weather import fog, frost, snow
from tests.data.corruptions.examples import colour_32, draws, floats

BLACK = np.zeros((30, 3, 32, 32), np.float32)
SNOW = {
    "mean": 0.1, "deviation": 0.2, "size": 1, "threshold": 0.5,
    "radius": 10, "trace": 4, "share": 0.9,
}  # fmt: skip


def test_snow_whitens_colours_and_falls_from_both_ends():
    snowy = snow(BLACK, draws(30), **SNOW)
    assert snowy.min() == pytest.approx(0.1 * 0.5)  # where no flake fell
    flakes = snowy - snowy.min()
    np.testing.assert_allclose(flakes, flakes[..., ::-1, ::-1], atol=1e-6)
    assert 0.05 < (flakes > 0.01).mean() < 0.95
    assert not snow(BLACK, draws(30), **(SNOW | {"threshold": 9, "share": 1})).any()


def test_flakes_leave_traces_downwards():
    flakes = snow(BLACK, draws(30), **(SNOW | {"share": 1}))
    down, across = (np.abs(np.diff(flakes, axis=axis)).mean() for axis in (2, 3))
    assert down < across


def test_ice_is_a_bluish_texture_that_differs_between_images():
    ice = frost(BLACK, draws(30), 1, 0.5)
    red, green, blue = ice.mean(axis=(0, 2, 3))
    assert 0.1 < red < green < blue < 0.4
    assert ice.min() >= 0
    assert ice.max() <= 0.5
    assert ice.std(axis=0).mean() > 0.02
    grey = frost(BLACK[:, :1], draws(30), 1, 0.5)
    assert red < grey.mean() < blue


def test_frost_keeps_a_share_of_the_image():
    images = floats(colour_32())
    count = len(images)
    difference = frost(images, draws(count), 0.75, 0.45) - frost(
        0 * images, draws(count), 0.75, 0.45
    )
    np.testing.assert_allclose(difference, 0.75 * images, atol=1e-6)


def test_fog_lightens_the_dark_and_keeps_the_brightest():
    images = floats(colour_32())
    foggy = fog(images, draws(len(images)), 1.5, 1.75)
    brightest = images.max(axis=(1, 2, 3))
    assert (foggy.max(axis=(1, 2, 3)) <= brightest + 1e-6).all()
    assert foggy.std() < 0.7 * images.std()
    np.testing.assert_array_equal(fog(BLACK, draws(30), 1, 2), 0)
