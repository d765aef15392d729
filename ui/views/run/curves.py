"""The convergence curves of a run, from its metric rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ui.components.axes import Axes
from ui.components.figure import IN_COLOR, OUT_COLOR, PERCENT, Figure, figure, line
from ui.components.formats import compact, percent
from ui.components.series import Row, Value, column, last, smoothed, thinned, value

TALL, LOW = 300, 220  # pixels
FEW = 30  # points: beyond, dots would hide the line
STEPS, EPOCHS = "step", "epoch"  # kinds of rows
FAINT = 0.4  # opacity of what lies beneath its own mean


@dataclass(frozen=True)
class Curve:
    """One panel: its figure and what stands around it."""

    key: str
    title: str
    note: str
    alt: str
    figure: Figure

    @property
    def drawn(self) -> bool:
        """Whether there is a value to see."""
        values = (trace["y"] for trace in self.figure["data"])
        return any(value is not None for each in values for value in each)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One metric as a line.

    Args:
        key: Its name in the rows.
        kind: Of which rows, `STEPS` or `EPOCHS`.
        name: In the legend.
        color: Role of its colour.
        told: How its newest value is told.
        hover: d3's format of a value.
        unit: Behind a value.
        scale: What values are multiplied by.
        noisy: Whether steps of it are worth smoothing, which what is set or computed
            is not; epochs are means already.
    """

    key: str
    kind: str
    name: str
    color: str
    told: Callable[[Value], str] = compact
    hover: str = ".4~g"
    unit: str = ""
    scale: float = 1.0
    noisy: bool = True


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A panel before there are rows: its lines, and what stands around them."""

    key: str
    title: str
    note: str
    lines: Sequence[Line]
    vertical: dict[str, Any] = field(default_factory=dict)
    height: int = LOW


_FROM_ZERO = {"rangemode": "tozero", "exponentformat": "power"}
LOSS = Plan(
    key="loss",
    title="Loss",
    note="Mean over the batch, in nats.",
    lines=(
        Line(key="train_loss", kind=STEPS, name="Training loss", color=IN_COLOR),
        Line(key="validation_nll", kind=EPOCHS, name="Validation NLL", color=OUT_COLOR),
    ),
    height=TALL,
)
ACCURACY = Plan(
    key="accuracy",
    title="Accuracy",
    note="Share of examples whose most probable class is the true one, by epoch.",
    lines=tuple(
        Line(key=f"{key}_accuracy", kind=EPOCHS, name=name, color=color, hover=".2%",
             told=percent)
        for key, name, color in (
            ("train", "Training", IN_COLOR), ("validation", "Validation", OUT_COLOR),
        )
    ),
    vertical={"tickformat": PERCENT},
    height=TALL,
)  # fmt: skip
FURTHER = (
    Plan(
        key="ece",
        title="Calibration error (ECE)",
        note="Gap between confidence and accuracy on validation; 0 is best.",
        lines=(
            Line(key="validation_ece", kind=EPOCHS, name="ECE", color=OUT_COLOR,
                 hover=".2%", told=lambda each: percent(each, 2)),
        ),
        vertical={"rangemode": "tozero", "tickformat": PERCENT},
    ),
    Plan(
        key="deviation",
        title="Posterior deviation",
        note="How uncertain the weights are on average.",
        lines=(
            Line(key="posterior_deviation", kind=STEPS, name="Deviation", color="@4",
                 noisy=False),
        ),
        vertical={"exponentformat": "power"},
    ),
    Plan(
        key="lr",
        title="Learning rate",
        note="As the schedule sets it.",
        lines=(
            Line(key="lr", kind=STEPS, name="Learning rate", color="@3",
                 noisy=False),
        ),
        vertical=_FROM_ZERO,
    ),
    Plan(
        key="speed",
        title="Speed",
        note="Training examples a second; validation is left out.",
        lines=(
            Line(key="examples_per_second", kind=STEPS, name="Speed", color="@6",
                 hover=",.0f", unit=" examples/s"),
        ),
        vertical={"rangemode": "tozero", "tickformat": ",~g"},
    ),
)  # fmt: skip
PLANS = (LOSS, ACCURACY, *FURTHER)


def curves(rows: Sequence[Row], axes: Axes | None = None) -> list[Curve]:
    """All panels that the rows have something for; loss and accuracy come first."""
    axes = axes or Axes()
    built = [loss_curve(rows, axes), *(curve(plan, rows, axes) for plan in PLANS[1:])]
    return [each for each in built if each.drawn]


def curve(plan: Plan, rows: Sequence[Row], axes: Axes) -> Curve:
    """Draw a panel.

    Args:
        plan: What it shows.
        rows: Rows of metrics.jsonl.
        axes: What it is drawn against.

    Returns:
        The panel, with empty traces where the rows have nothing for it.
    """
    traces, told = [], []
    for each in plan.lines:
        places, values = column(rows, each.kind, each.key, axes.place)
        values = [None if y is None else each.scale * y for y in values]
        traces += _traces(each, places, values, axes)
        told.append(f"{each.name} now {each.told(last(values))}{each.unit}")
    by = axes.horizontal()["title"]["text"].lower()
    title = "" if plan is LOSS else f"{plan.title}: "
    drawn = figure(
        traces, x=axes.horizontal(), y=axes.vertical(**plan.vertical),
        height=plan.height, hovermode="x unified",
    )  # fmt: skip
    alt = f"{title}{', '.join(told)}, by {by}."
    return Curve(plan.key, plan.title, plan.note, alt, drawn)


def _traces(
    each: Line, places: list[float], values: list[Value], axes: Axes
) -> list[dict[str, Any]]:
    """A line and, where it is a mean, what it is the mean of beneath it."""
    noisy = each.noisy and each.kind == STEPS
    mean = smoothed(values, axes.smoothing) if noisy else values
    hover = {"hovertemplate": f"%{{y:{each.hover}}}{each.unit}"}
    markers = len(places) <= FEW

    def drawn(name: str, values: list[Value], color: str, **options: Any) -> Any:
        x, y = thinned(places, values)
        return line(name, axes.written(x), y, color, **options)

    if mean == values:
        return [drawn(each.name, values, each.color, markers=markers, **hover)]
    faint: dict[str, Any] = {"width": 1, "hoverinfo": "skip", "showlegend": False}
    return [
        drawn(f"{each.name}, as logged", values, f"{each.color}/{FAINT}", **faint),
        drawn(f"{each.name} (smoothed)", mean, each.color, **hover),
    ]


def best_epoch(rows: Sequence[Row]) -> Row | None:
    """The row of the epoch with the lowest validation NLL, the first of equal ones."""
    epochs = [row for row in rows if row.get("kind") == EPOCHS]
    told = [row for row in epochs if value(row.get("validation_nll")) is not None]
    return min(told, key=lambda row: row["validation_nll"], default=None)


def loss_curve(rows: Sequence[Row], axes: Axes) -> Curve:
    """The loss, with the best epoch marked on the validation NLL."""
    drawn, best = curve(LOSS, rows, axes), best_epoch(rows)
    place = axes.place(best) if best else None
    if best is None or place is None:
        return drawn
    lowest = best["validation_nll"]
    drawn.figure["data"].append(_star(axes.written([place]), lowest))
    epoch = compact(best.get("epoch"))
    told = f"Best validation NLL {lowest:.4f}, after epoch {epoch}."
    note = f"{drawn.note} {told}"
    return Curve(drawn.key, drawn.title, note, f"{drawn.alt} {told}", drawn.figure)


def _star(place: list[Any], lowest: float) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": "Best epoch",
        "x": place, "y": [lowest], "hovertemplate": "%{y:.4f}",
        "marker": {
            "symbol": "star", "size": 14, "color": OUT_COLOR,
            "line": {"color": "@panel", "width": 1.5},
        },
    }  # fmt: skip
