"""Slow and plain forms of what distributions compute."""

import numpy as np


def crps_by_quadrature(cdf, target, low, high, num_points=400_001):
    """Integrate (F(x) - [x >= y])^2 by the trapezoid rule on either side of y."""
    below = np.linspace(low, target, num_points)
    above = np.linspace(target, high, num_points)
    under = np.trapezoid(cdf(below) ** 2, below)
    return under + np.trapezoid((1 - cdf(above)) ** 2, above)


def crps_of_draws(draws, target):
    """E|X - y| - E|X - X'|/2 over all pairs of draws, by loops."""
    distance = sum(abs(x - target) for x in draws) / len(draws)
    pairs = sum(abs(x - other) for x in draws for other in draws)
    return distance - pairs / len(draws) ** 2 / 2
