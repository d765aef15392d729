"""Tests of noise; tolerances are five standard errors."""

import numpy as np

from data.corruptions.noise import gaussian_noise, impulse_noise, shot_noise
from tests.data.corruptions.examples import draws

COUNT = 50 * 32 * 32
GREY = np.full((50, 1, 32, 32), 0.25, np.float32)


def test_normal_noise_has_its_deviation():
    noise = gaussian_noise(GREY, draws(50), 0.08) - GREY
    assert abs(noise.mean()) < 5 * 0.08 / COUNT**0.5
    assert abs(noise.std() / 0.08 - 1) < 5 / (2 * COUNT) ** 0.5


def test_photons_vary_by_the_root_of_their_number():
    noisy = shot_noise(GREY, draws(50), 60)
    assert abs(noisy.mean() - 0.25) < 5 * (0.25 / 60 / COUNT) ** 0.5
    assert abs(noisy.var() / (0.25 / 60) - 1) < 0.05
    np.testing.assert_allclose(noisy * 60, np.rint(noisy * 60), atol=1e-3)
    assert not shot_noise(0 * GREY, draws(50), 60).any()


def test_impulses_are_black_and_white_in_equal_shares():
    noisy = impulse_noise(GREY, draws(50), 0.06)
    assert set(np.unique(noisy)) == {0, 0.25, 1}
    for value in (0, 1):
        error = (0.03 * 0.97 / COUNT) ** 0.5
        assert abs((noisy == value).mean() - 0.03) < 5 * error


def test_pixels_that_failed_fail_when_more_do():
    few, many = (impulse_noise(GREY, draws(50), share) for share in (0.02, 0.2))
    assert (many[few != GREY] != GREY[few != GREY]).all()
