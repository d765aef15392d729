"""Reliability: diagrams of all examples, and one row a class."""

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import UNIT, Estimate
from calibration.intervals import mean, proportion
from calibration.metrics import LARGEST_NLL, nll_of_examples
from calibration.reliability import (
    ReliabilityDiagram,
    class_reliability_diagrams,
    confidence_diagram,
    reliability_diagram,
)
from calibration.report.data import Bin, ClassRow, Reliability

Probabilities = NDArray[np.float64]
Labels = NDArray[np.intp]


def reliability(
    probabilities: Probabilities, labels: Labels, num_bins: int
) -> Reliability:
    """Measure the three diagrams.

    Args:
        probabilities: Posterior predictive, ``[N, C]``.
        labels: True classes, ``[N]``.
        num_bins: Bins of each.

    Returns:
        Their bins.
    """
    return Reliability(
        equal_width=top_label_bins(probabilities, labels, num_bins),
        equal_mass=bins_of(
            reliability_diagram(probabilities, labels, num_bins, "mass")
        ),
        confidence_wise=bins_of(confidence_diagram(probabilities, labels, num_bins)),
    )


def top_label_bins(
    probabilities: Probabilities, labels: Labels, num_bins: int
) -> list[Bin]:
    """Bins of equal width of the predicted class's confidence."""
    return bins_of(reliability_diagram(probabilities, labels, num_bins))


def bins_of(diagram: ReliabilityDiagram) -> list[Bin]:
    """A diagram as a list of its bins."""
    names = list(Bin.__annotations__)
    columns = [getattr(diagram, name).tolist() for name in names]
    return [
        Bin(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)
    ]


def class_rows(
    probabilities: Probabilities,
    labels: Labels,
    class_names: list[str],
    num_bins: int,
) -> list[ClassRow]:
    """Judge each class against all others.

    Args:
        probabilities: Posterior predictive, ``[N, C]``.
        labels: True classes, ``[N]``.
        class_names: C names.
        num_bins: Bins of each class's diagram.

    Returns:
        One row a class, in the order of the labels.
    """
    predicted = probabilities.argmax(axis=1)
    costs, bounds = nll_of_examples(probabilities, labels), (0.0, LARGEST_NLL)
    rows = []
    diagrams = class_reliability_diagrams(probabilities, labels, num_bins)
    for index, diagram in enumerate(diagrams):
        own, chosen = labels == index, predicted == index
        rows.append(
            ClassRow(
                index=index,
                name=class_names[index],
                count=int(own.sum()),
                predicted=int(chosen.sum()),
                recall=_share(chosen[own]),
                precision=_share(own[chosen]),
                nll=mean(costs[own], bounds) if own.any() else None,
                confidence=float(mean(probabilities[:, index], UNIT)),
                calibration_error=diagram.ece,
                bins=bins_of(diagram),
            )
        )
    return rows


def _share(hits: NDArray[np.bool_]) -> Estimate | None:
    return proportion(hits) if len(hits) else None
