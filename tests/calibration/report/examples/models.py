"""One model's part of a report, with numbers in every section."""

from functools import cache

import numpy as np

from calibration.report.data import ModelReport, OodGroup, Reliability
from tests.calibration.report.examples.decisions import (
    example_conformal,
    example_recalibration,
    example_selective,
    example_uncertainty,
)
from tests.calibration.report.examples.elsewhere import example_ood, example_shift
from tests.calibration.report.examples.numbers import (
    bins,
    example_metrics,
    four,
    predictions,
)
from tests.calibration.report.examples.one_by_one import (
    example_classes,
    example_posterior,
    example_wrong,
)

CLASSES = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip
NAMES = ["VOGN", "AdamW", "K-FAC", "IVON", "SGD", "MC dropout", "Ensemble", "LAMB"]
NAMES += ["SP-NGD", "Noisy K-FAC"]


def example_reliability(probabilities, labels):
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    width = np.linspace(0, 1, 16)
    mass = np.unique(np.quantile(confidence, width))
    mass[0] = 0.0
    hot = np.eye(probabilities.shape[1], dtype=bool)[labels]
    return Reliability(
        equal_width=bins(confidence, hits, width),
        equal_mass=bins(confidence, hits, mass),
        confidence_wise=bins(probabilities.ravel(), hot.ravel(), width),
    )


@cache
def example_model(index=0, *, num_classes=10):
    """Return one model, the same at each call."""
    name = NAMES[index]
    count = min(10_000, 1_000_000 // num_classes)
    sharpness = [1.02, 1.35, 0.8][index % 3]
    probabilities, labels = predictions(index, num_classes, count, sharpness)
    generator = np.random.default_rng(index)
    hits = probabilities.argmax(axis=1) == labels
    entropy = -(probabilities * np.log(probabilities + 1e-12)).sum(axis=1)
    names = CLASSES if num_classes == 10 else [f"class {i}" for i in range(num_classes)]
    accuracy, ece = float(hits.mean()), [0.011, 0.052, 0.03][index % 3]
    bayesian = index != 1
    return ModelReport(
        name=name,
        provenance={
            "Trained on": "Fashion-MNIST, 60,000 images",
            "Model": "LeNet-5, 61,706 parameters",
            "Optimizer": f"{name}, lr 0.001, 20 epochs, batch 128",
            "Tested on": "Fashion-MNIST test set",
            "Seed": str(index),
        },
        num_examples=len(labels),
        num_classes=num_classes,
        num_samples=32 if bayesian else 1,
        class_names=names,
        summary=[
            f"{name} is right in {100 * accuracy:.1f} % of 10,000 test examples and "
            f"{'well calibrated' if ece < 0.02 else 'overconfident'}: confidence and "
            f"accuracy differ by {100 * ece:.1f} points on average.",
            "Its most certain 80 % of predictions hold 3.0 % errors, against "
            f"{100 - 100 * accuracy:.1f} % among all.",
            "Temperature scaling (T = 1.35) would lower the NLL by 0.025.",
        ],
        metrics=example_metrics(accuracy, 0.25 + index / 100, ece),
        at_mean=four(accuracy - 0.002, 0.27, 2 * ece) if bayesian else {},
        reliability=example_reliability(probabilities, labels),
        classes=example_classes(probabilities, labels, names),
        selective=example_selective(1 - accuracy, index),
        uncertainty=example_uncertainty(entropy, hits, num_classes),
        confidently_wrong=example_wrong(index, names),
        recalibration=example_recalibration(probabilities, labels),
        conformal=example_conformal(),
        ood=[
            example_ood("Digits", "far", 1.2 - 0.1 * (index % 3), generator),
            example_ood("KMNIST", "near", 0.6, generator),
        ],
        ood_groups=[
            OodGroup(
                name="far",
                members=["Digits", "SVHN"],
                scores=example_ood("Digits", "far", 1.0, generator).scores,
            )
        ],
        shift=example_shift(accuracy - 0.012 * index),
        posterior=example_posterior() if bayesian else [],
    )
