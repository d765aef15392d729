"""The panels of an optimizer that keeps curvature: what is refreshed, at what cost."""

from collections.abc import Sequence

from ui.components.axes import Axes
from ui.components.figure import PERCENT
from ui.components.formats import percent
from ui.components.series import Row
from ui.views.run.curves import STEPS, Curve, Line, Plan, curve

PLANS = (
    Plan(
        key="refreshed",
        title="Refreshed statistics",
        note="Of all statistics, the mean over the steps between two log lines.",
        lines=(
            Line(key="refreshed_share", kind=STEPS, name="Refreshed", color="@5",
                 told=percent, hover=".2%"),
        ),
        vertical={"tickformat": PERCENT, "rangemode": "tozero"},
    ),
    Plan(
        key="intervals",
        title="Steps between refreshes",
        note="Mean over the layers; it grows as the statistics settle.",
        lines=(
            Line(key="factor_interval", kind=STEPS, name="Factors", color="@1",
                 noisy=False),
            Line(key="inverse_interval", kind=STEPS, name="Inverses", color="@2",
                 noisy=False),
        ),
        vertical={"rangemode": "tozero"},
    ),
    Plan(
        key="inverses",
        title="Time for inverses",
        note="Milliseconds a step, the same mean; on this process alone.",
        lines=(
            Line(key="inverse_seconds", kind=STEPS, name="Inverses", color="@6",
                 unit=" ms", scale=1000.0),
        ),
        vertical={"rangemode": "tozero"},
    ),
    Plan(
        key="damping",
        title="Damping",
        note="What is added to the curvature before it is inverted.",
        lines=(
            Line(key="damping", kind=STEPS, name="Damping", color="@7",
                 noisy=False),
        ),
        vertical={"rangemode": "tozero", "exponentformat": "power"},
    ),
)  # fmt: skip


def curvature_curves(rows: Sequence[Row], axes: Axes | None = None) -> list[Curve]:
    """The panels that the rows have something for: none of other optimizers."""
    built = [curve(plan, rows, axes or Axes()) for plan in PLANS]
    return [each for each in built if each.drawn]
