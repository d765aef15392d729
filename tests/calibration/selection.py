"""Predictions with chosen errors and uncertainties, for selective prediction."""

from itertools import permutations

import numpy as np

from tests.calibration.examples import two_classes


def predictions(wrong):
    """Return probabilities of two classes, and labels they get wrong where asked."""
    wrong = np.asarray(wrong, dtype=bool)
    return two_classes(*np.full(len(wrong), 0.3)), wrong.astype(int)


def orders(uncertainty):
    """Return all orders of examples in which uncertainty never falls."""
    uncertainty = np.asarray(uncertainty)
    every = permutations(range(len(uncertainty)))
    return [
        np.array(order)
        for order in every
        if np.all(np.diff(uncertainty[[*order]]) >= 0)
    ]


def loop_risks(wrong, order):
    """Return the risk among the first k examples of an order, for each k."""
    return np.array([
        np.mean(np.asarray(wrong)[order[:k]]) for k in range(1, len(order) + 1)
    ])


def rising(count, rng):
    """Return errors and uncertainties u, uniform, with P(error) = u / 2."""
    uncertainty = rng.random(count)
    return rng.random(count) < uncertainty / 2, uncertainty
