"""Forecasts that tests of regression share."""

import numpy as np

from calibration.distributions import Gaussian

N = 400
RNG = np.random.default_rng(0)
MEAN, DEVIATION = RNG.normal(size=N), np.exp(0.3 * RNG.normal(size=N))
TARGETS = MEAN + DEVIATION * RNG.normal(size=N)
HONEST = Gaussian(MEAN, DEVIATION)


def of_factor(factor, shift=0.0, num=20_000):
    """A model whose deviations are so many times the true ones, and targets."""
    targets = np.random.default_rng(1).normal(size=num)
    return Gaussian(np.full(num, shift), np.full(num, factor)), targets
