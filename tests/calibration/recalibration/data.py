"""Predictions of known miscalibration that several tests share."""

import numpy as np

from calibration.recalibration import (
    BetaCalibration,
    HistogramBinning,
    Identity,
    IsotonicCalibration,
    MatrixScaling,
    TemperatureScaling,
    VectorScaling,
)
from tests.calibration.examples import softmax

METHODS = [
    Identity(),
    TemperatureScaling(),
    VectorScaling(),
    VectorScaling(intercept=0.0),
    MatrixScaling(),
    MatrixScaling(off_diagonal=0.0, intercept=0.0),
    BetaCalibration(),
    BetaCalibration(smoothing=0),
    IsotonicCalibration(),
    IsotonicCalibration(smoothing=0),
    HistogramBinning(),
    HistogramBinning(equal_mass=True),
    HistogramBinning(num_bins=4, smoothing=0),
]


def drawn_labels(probabilities, seed=2):
    """Return a label for each row, drawn from its probabilities."""
    uniform = np.random.default_rng(seed).uniform(size=(len(probabilities), 1))
    return (probabilities.cumsum(axis=1) < uniform).sum(axis=1)


def miscalibrated(num_examples=400, num_classes=4, seed=0, temperature=0.5):
    """Return probabilities, and labels drawn from others at another temperature."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=1.5, size=(num_examples, num_classes))
    # One class is held too likely by all rows, and two logits are mixed.
    wrong = logits + 0.7 * np.eye(num_classes)[0] + 0.3 * np.roll(logits, 1, axis=1)
    return softmax(wrong / temperature), drawn_labels(softmax(logits), seed + 1)


def nll(probabilities, labels):
    """Return the mean of -log p(true class); all of them must be above 0."""
    return -np.log(probabilities[np.arange(len(labels)), labels]).mean()
