"""The ROC and the precision-recall curve, with the point of a threshold."""

from typing import Any

from calibration.ood import PrecisionRecallCurve, RocCurve
from ui.components.figure import IN_COLOR, MUTED, PERCENT, Figure, axis, figure, line
from ui.components.formats import compact
from ui.views.run.detection import Flagged

HEIGHT = 340
POINT = "This threshold"


def roc_figure(curve: RocCurve, flagged: Flagged) -> Figure:
    """Draw the share caught against that of false alarms, and where a threshold lies.

    Args:
        curve: The curve.
        flagged: What the threshold flags.
    """
    drawn = line(
        "ROC", curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist(),
        IN_COLOR, customdata=[compact(t) for t in curve.threshold.tolist()],
        hovertemplate="False alarms %{x:.1%}<br>Caught %{y:.1%}<br>"
        "Threshold %{customdata}<extra></extra>",
    )  # fmt: skip
    chance = _chance([0, 1], [0, 1])
    point = _point(float(flagged.alarms), float(flagged.recall))
    return figure(
        [chance, drawn, *point],
        x=_share("False alarms: share of the test set flagged"),
        y=_share("Caught: share of the other set flagged"),
        height=HEIGHT,
    )


def precision_recall_figure(
    curve: PrecisionRecallCurve, flagged: Flagged, chance: float
) -> Figure:
    """Draw how many of the flagged belong to the other set, against the share caught.

    Args:
        curve: The curve.
        flagged: What the threshold flags.
        chance: The other set's share of all examples.
    """
    drawn = line(
        "Precision", curve.recall.tolist(), curve.precision.tolist(), IN_COLOR,
        customdata=[compact(t) for t in curve.threshold.tolist()],
        hovertemplate="Caught %{x:.1%}<br>Precision %{y:.1%}<br>"
        "Threshold %{customdata}<extra></extra>",
    )  # fmt: skip
    point = []
    if flagged.precision is not None:
        point = _point(float(flagged.recall), float(flagged.precision))
    return figure(
        [_chance([0, 1], [chance, chance]), drawn, *point],
        x=_share("Caught: share of the other set flagged"),
        y=_share("Precision: other inputs among the flagged"),
        height=HEIGHT,
    )


def _share(title: str) -> dict[str, Any]:
    return axis(title, range=[-0.015, 1.02], tickformat=PERCENT)


def _chance(x: list[float], y: list[float]) -> dict[str, Any]:
    return line(
        "Chance", x, y, MUTED, width=1.5, hoverinfo="skip"
    ) | {"line": {"color": MUTED, "width": 1.5, "dash": "dot"}}  # fmt: skip


def _point(x: float, y: float) -> list[dict[str, Any]]:
    return [{
        "type": "scatter", "mode": "markers", "name": POINT, "x": [x], "y": [y],
        "marker": {
            "color": "@2", "size": 13, "line": {"color": "@panel", "width": 2},
        },
        "hovertemplate": "%{x:.1%}, %{y:.1%}<extra></extra>",
    }]  # fmt: skip
