"""Whole reports: with numbers in every section, and with as little as can be."""

from dataclasses import replace

from calibration.report.data import Comparison, ReportData, SeedRow
from tests.calibration.report.examples.models import example_model
from tests.calibration.report.examples.numbers import estimate


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
            SeedRow(
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


def bare_report(models=1, **changes):
    """Return a report in which everything optional is missing, and what is told."""
    missing = {"at_mean": {}, "recalibration": None, "conformal": None}
    missing |= {name: [] for name in ("ood", "ood_groups", "shift", "posterior")}
    missing |= {"confidently_wrong": []}
    report = example_report(models, **(missing | changes))
    return replace(report, comparisons=[], seeds=[], limitations=[])
