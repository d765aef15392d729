"""A finished report with realistic numbers in every section, and ones with gaps."""

import base64
import io
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
from PIL import Image

from calibration.intervals import Estimate, wilson_interval
from calibration.report.data import (
    Bin,
    ClassRow,
    Comparison,
    Conformal,
    ConformalRow,
    LayerRow,
    ModelReport,
    OodGroup,
    OodScore,
    OodSet,
    RecalibratedMethod,
    Recalibration,
    Reliability,
    ReportData,
    SeedSummary,
    Selective,
    ShiftPoint,
    UncertaintyHistogram,
    WrongExample,
)
from tests.calibration.examples import softmax

CLASSES = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip
NAMES = ["VOGN", "AdamW", "K-FAC", "IVON", "SGD", "MC dropout", "Ensemble", "LAMB"]
NAMES += ["SP-NGD", "Noisy K-FAC"]
KINDS = ["gaussian_noise", "motion_blur", "contrast", "jpeg_compression", "fog"]
SCORES = {
    "entropy": "Predictive entropy",
    "mutual_information": "Mutual information",
    "max_probability": "One less maximum probability",
}


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


def picture(seed):
    """Return a small PNG in base64."""
    pixels = np.random.default_rng(seed).integers(0, 255, (28, 28), dtype=np.uint8)
    pixels[6:22, 9:19] //= 4
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def example_selective(error, index):
    coverage = np.linspace(0.002, 1, 500)
    risk = (
        error
        * coverage ** (4 - 1.5 * (index % 3 == 1))
        * (1 + 0.02 * np.sin(40 * coverage))
    )
    oracle = np.maximum(0, coverage - (1 - error)) / coverage
    return Selective(
        coverage=coverage.tolist(),
        risk=risk.tolist(),
        generalised_risk=(risk * coverage).tolist(),
        oracle=oracle.tolist(),
        random=error,
        areas={
            "aurc": estimate(0.25 * error),
            "augrc": estimate(0.2 * error),
            "excess": estimate(0.2 * error),
        },
        oracle_area=0.05 * error,
        coverage_at_risk={"1": share(0.52), "5": share(0.83)},
        risk_at_coverage={"80": share(0.03), "90": share(0.055), "95": share(0.07)},
    )


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


def example_recalibration(probabilities, labels):
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    softer = softmax(np.log(probabilities + 1e-12) / 1.35).max(axis=1)
    edges = np.linspace(0, 1, 16)
    methods = [
        ("temperature", "Temperature scaling", 1, "T = 1.352", 0.011),
        ("vector", "Vector scaling", 20, "", 0.012),
        ("isotonic", "Isotonic regression", 130, "", 0.016),
        ("histogram", "Histogram binning", 15, "", 0.02),
    ]
    return Recalibration(
        fitted_on="Fitted on one half of the test examples, scored on the other.",
        num_fitted=5000,
        num_scored=5000,
        best="temperature",
        before=four(0.912, 0.27, 0.034),
        validation_nll=0.268,
        bins_before=bins(confidence, hits, edges),
        bins_after=bins(softer, hits, edges),
        methods=[
            RecalibratedMethod(
                name=name,
                title=title,
                num_parameters=number,
                fitted=fitted,
                metrics=four(0.912, 0.24 + ece, ece),
                nll_change=estimate(-0.03 + ece / 2, 0.008, least=-9),
                validation_nll=0.24 + ece,
            )
            for name, title, number, fitted, ece in methods
        ],
        left_out={"Matrix scaling": "it would need 110 numbers from 500 examples"},
    )


def example_classes(probabilities, labels, names):
    rows = []
    prediction = probabilities.argmax(axis=1)
    for index, name in enumerate(names):
        mine, chosen = labels == index, prediction == index
        found = bins(probabilities[:, index], mine, np.linspace(0, 1, 11))
        gap = sum(b.count * abs(b.confidence - b.accuracy) for b in found)
        hits = int((mine & chosen).sum())
        rows.append(
            ClassRow(
                index=index,
                name=name,
                count=int(mine.sum()),
                predicted=int(chosen.sum()),
                recall=share(hits / mine.sum(), int(mine.sum()))
                if mine.any()
                else None,
                precision=share(hits / chosen.sum(), int(chosen.sum()))
                if chosen.any()
                else None,
                nll=estimate(0.2 + 0.03 * (index % 7), count=int(mine.sum())),
                confidence=float(probabilities[:, index].mean()),
                calibration_error=gap / len(labels),
                bins=found,
            )
        )
    return rows


def example_posterior():
    names = ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]
    names += [f"fc{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")]
    sizes = [150, 6, 2400, 16, 48_000, 120, 10_080, 84, 840, 10]
    return [
        LayerRow(
            name=name,
            num_parameters=size,
            deviation=0.012 + 0.004 * (i % 4),
            signal_to_noise=2.4 / (1 + 0.4 * i),
            kl=None if i == 9 else 0.9 * size**0.9,
        )
        for i, (name, size) in enumerate(zip(names, sizes, strict=True))
    ]


def example_wrong(seed, names, *, with_images=True):
    return [
        WrongExample(
            index=137 * (i + 1),
            label=(i + 4) % len(names),
            prediction=(i + 6) % len(names),
            confidence=0.999 - 0.004 * i,
            label_probability=0.0004 * (i + 1),
            entropy=0.008 + 0.01 * i,
            mutual_information=0.002 * i,
            image=picture(seed + i) if with_images and i != 3 else "",
        )
        for i in range(8)
    ]


@cache
def example_model(index=0, *, num_classes=10):
    """Return one model, the same at each call."""
    name = NAMES[index]
    probabilities, labels = predictions(
        index, num_classes, sharpness=[1.02, 1.35, 0.8][index % 3]
    )
    generator = np.random.default_rng(index)
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    entropy = -(probabilities * np.log(probabilities + 1e-12)).sum(axis=1)
    edges = np.linspace(0, np.log(num_classes), 25)
    names = CLASSES if num_classes == 10 else [f"class {i}" for i in range(num_classes)]
    accuracy, ece = float(hits.mean()), [0.011, 0.052, 0.03][index % 3]
    bayesian = index != 1
    width = np.linspace(0, 1, 16)
    mass = np.unique(np.quantile(confidence, width))
    mass[0] = 0.0
    chosen = np.linspace(0, 1, 16)
    hot = np.eye(num_classes, dtype=bool)[labels]
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
        reliability=Reliability(
            equal_width=bins(confidence, hits, width),
            equal_mass=bins(confidence, hits, mass),
            confidence_wise=bins(probabilities.ravel(), hot.ravel(), chosen),
        ),
        classes=example_classes(probabilities, labels, names),
        selective=example_selective(1 - accuracy, index),
        uncertainty=UncertaintyHistogram(
            edges=edges.tolist(),
            right=np.histogram(entropy[hits], edges)[0].tolist(),
            wrong=np.histogram(entropy[~hits], edges)[0].tolist(),
        ),
        confidently_wrong=example_wrong(index, names),
        recalibration=example_recalibration(probabilities, labels),
        conformal=Conformal(
            fitted_on="Fitted on one half of the test examples, judged on the other.",
            num_fitted=5000,
            rows=[
                ConformalRow(
                    method=method,
                    promised=promise,
                    coverage=share(promise + 0.004, 5000),
                    size=estimate(1.1 + 3 * (promise - 0.9), 0.02, 5000, "Student t"),
                    singletons=0.87 - 2 * (promise - 0.9),
                    empty=0.01 if method == "THR" else 0.0,
                )
                for method in ("THR", "APS")
                for promise in (0.9, 0.95, 0.99)
            ],
        ),
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


def example_report(models=2, *, num_classes=10, **changes):
    """Return a report of that many models, 1 to 10, with numbers in every section.

    Args:
        models: How many.
        num_classes: Of each model.
        **changes: Fields of every model to replace, such as ood=[].
    """
    made = [
        replace(example_model(i, num_classes=num_classes), **changes)
        for i in range(models)
    ]
    differences = {
        "accuracy": estimate(-0.004, 0.003, least=-1),
        "nll": estimate(0.021, 0.006),
        "brier": estimate(0.008, 0.009, least=-1),
        "ece": estimate(0.035, 0.004),
    }
    return ReportData(
        title="VOGN and AdamW on Fashion-MNIST" if models == 2 else "Fashion-MNIST",
        created="2026-11-22T01:58:33+00:00",
        software={"vogn-app": "0.7.0", "NumPy": "2.3.4", "Python": "3.11.7"},
        num_bins=15,
        models=made,
        comparisons=[
            Comparison(
                first=made[0].name,
                second=other.name,
                differences=differences,
                sentence=f"{other.name} has a higher NLL than {made[0].name}, by 0.021 "
                "(95 % interval 0.015 to 0.027), on the same test examples.",
            )
            for other in made[1:]
        ],
        seeds=[
            SeedSummary(
                name="VOGN, LeNet-5",
                models=["VOGN 0", "VOGN 1", "VOGN 2"],
                means={"accuracy": 0.912, "nll": 0.2441, "brier": 0.131, "ece": 0.011},
                deviations={
                    "accuracy": 0.0021,
                    "nll": 0.0032,
                    "brier": 0.0018,
                    "ece": 0.0014,
                },
            )
        ]
        if models > 1
        else [],
        limitations=[
            "10,000 test examples: accuracy is known to within about half a point.",
            "Recalibration was fitted on examples of the same source as those it was "
            "scored on; on others it may gain less.",
        ],
    )


def bare_report(models=1):
    """Return a report in which everything optional is missing."""
    report = example_report(
        models,
        at_mean={},
        recalibration=None,
        conformal=None,
        ood=[],
        ood_groups=[],
        shift=[],
        posterior=[],
        confidently_wrong=[],
    )
    return replace(report, comparisons=[], seeds=[], limitations=[])
