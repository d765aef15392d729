"""Examples of what a model does on other examples than those of its kind."""

import numpy as np

from calibration.report.data import OodScore, OodSet, ShiftPoint
from tests.calibration.report.examples.numbers import four, share

KINDS = ["gaussian_noise", "motion_blur", "contrast", "jpeg_compression", "fog"]
SCORES = {
    "entropy": "Predictive entropy",
    "mutual_information": "Mutual information",
    "max_probability": "One less maximum probability",
}


def example_ood(name, distance, strength, generator):
    edges = np.linspace(0, np.log(10), 31)
    inside = generator.gamma(0.7, 0.35, 10_000).clip(0, 2.3)
    outside = generator.gamma(4 * strength, 0.3, 1797).clip(0, 2.3)
    thresholds = np.linspace(2.31, -0.01, 200)
    rows = [
        OodScore(
            name=score,
            title=title,
            auroc=share(0.95 - 0.01 * i),
            aupr_out=share(0.8 - 0.01 * i),
            aupr_in=share(0.98),
            fpr95=share(0.21 + 0.02 * i),
            detection_error=share(0.1 + 0.01 * i),
        )
        for i, (score, title) in enumerate(SCORES.items())
    ]
    return OodSet(
        name=name,
        distance=distance,
        num_examples=1797,
        scores=rows,
        edges=edges.tolist(),
        counts_in=np.histogram(inside, edges)[0].tolist(),
        counts_out=np.histogram(outside, edges)[0].tolist(),
        false_positive_rate=[float((inside > t).mean()) for t in thresholds],
        true_positive_rate=[float((outside > t).mean()) for t in thresholds],
    )


def example_shift(accuracy):
    points = [ShiftPoint(kind="clean", severity=0, metrics=four(accuracy, 0.25, 0.01))]
    for i, kind in enumerate(KINDS):
        for severity in range(1, 6):
            harm = severity**1.3 * (0.02 + 0.012 * i)
            ece = 0.01 + (0.9 - accuracy) * severity / 5 + 0.3 * harm
            metrics = four(accuracy - harm, 0.25 + 4 * harm * (1 + 6 * ece), ece)
            del metrics["brier"]
            points.append(ShiftPoint(kind=kind, severity=severity, metrics=metrics))
    return points
