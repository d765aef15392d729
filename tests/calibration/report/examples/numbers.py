"""Numbers with intervals, and made-up predictions."""

from itertools import pairwise

import numpy as np

from calibration.estimate import Estimate
from calibration.intervals import wilson_interval
from calibration.report.data import Bin
from tests.calibration.examples import softmax


def estimate(
    value, half=None, count=10_000, method="bootstrap", least=0.0, most=np.inf
):
    """Return a number with an interval of the half width, clipped to its range."""
    half = 0.03 * abs(value) if half is None else half
    low, high = max(least, value - half), min(most, value + half)
    return Estimate(value, low=low, high=high, count=count, method=method)


def share(value, count=10_000):
    """Return a proportion with Wilson's interval."""
    hits = round(min(1, max(0, value)) * count)
    low, high = wilson_interval(hits, count)
    return Estimate(
        hits / count, low=float(low), high=float(high), count=count, method="Wilson"
    )


def predictions(seed, num_classes, count=10_000, sharpness=1.0):
    """Return made-up probabilities and labels; sharpness 1 is calibrated."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, num_classes)) * 1.2
    favourite = generator.integers(num_classes, size=count)
    logits[np.arange(count), favourite] += generator.gamma(3.0, 2.9, size=count)
    true = softmax(logits)
    picks = generator.random((count, 1))
    labels = (true.cumsum(axis=1) < picks).sum(axis=1).clip(max=num_classes - 1)
    return softmax(logits * sharpness), labels


def bins(confidence, hits, edges):
    """Return the bins of a reliability diagram that hold an example."""
    found = []
    for lower, upper in pairwise(edges):
        inside = (confidence > lower) & (confidence <= upper)
        if not inside.any():
            continue
        accuracy = hits[inside].mean()
        low, high = wilson_interval(hits[inside].sum(), inside.sum())
        found.append(
            Bin(
                lower=float(lower),
                upper=float(upper),
                count=int(inside.sum()),
                confidence=float(confidence[inside].mean()),
                accuracy=float(accuracy),
                accuracy_low=float(low),
                accuracy_high=float(high),
            )
        )
    return found


def example_metrics(accuracy, nll, ece):
    """Return every measure of a model."""
    shares = {"accuracy": accuracy, "mean_confidence": accuracy + ece}
    errors = {
        "ece": ece, "adaptive_ece": 0.97 * ece, "debiased_ece": 0.6 * ece,
        "rms_ce": 1.4 * ece, "mce": 5 * ece, "classwise_ece": 0.4 * ece,
        "kernel_ce": 0.8 * ece, "overconfidence_error": 0.8 * ece,
    }  # fmt: skip
    plain = {
        "nll": nll, "brier": 0.6 * nll, "brier_reliability": 0.004,
        "brier_resolution": 0.77, "brier_uncertainty": 0.9, "sharpness": 0.86,
        "predictive_entropy": 0.31, "expected_entropy": 0.27,
        "mutual_information": 0.04,
    }  # fmt: skip
    return (
        {name: share(value) for name, value in shares.items()}
        | {name: estimate(value, 0.12 * value) for name, value in errors.items()}
        | {"overconfidence": estimate(-0.2 * ece, 0.3 * ece, least=-1)}
        | {name: estimate(value) for name, value in plain.items()}
    )


def four(accuracy, nll, ece):
    """Return the four headline numbers."""
    names = ("accuracy", "nll", "brier", "ece")
    found = example_metrics(accuracy, nll, ece)
    return {name: found[name] for name in names}
