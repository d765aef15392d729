"""Examples of recalibration, prediction sets and selective prediction."""

import numpy as np

from calibration.report.data import (
    Conformal,
    ConformalRow,
    RecalibratedMethod,
    RecalibrationSection,
    Selective,
    UncertaintyHistogram,
)
from tests.calibration.examples import softmax
from tests.calibration.report.examples.numbers import bins, estimate, four, share


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
    return RecalibrationSection(
        fitted_on="Fitted on one half of the test examples, scored on the other.",
        held_out=False,
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


def example_conformal():
    return Conformal(
        fitted_on="Fitted on one half of the test examples, judged on the other.",
        held_out=False,
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
    )


def example_selective(error, index):
    coverage = np.linspace(0.005, 1, 200)
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
            "excess_aurc": estimate(0.2 * error),
        },
        oracle_area=0.05 * error,
        coverage_at_risk={"1": share(0.52), "5": share(0.83)},
        risk_at_coverage={"80": share(0.03), "90": share(0.055), "95": share(0.07)},
    )


def example_uncertainty(entropy, hits, num_classes):
    edges = np.linspace(0, np.log(num_classes), 25)
    return UncertaintyHistogram(
        edges=edges.tolist(),
        right=np.histogram(entropy[hits], edges)[0].tolist(),
        wrong=np.histogram(entropy[~hits], edges)[0].tolist(),
    )
