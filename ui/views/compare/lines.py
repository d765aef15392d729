"""Learning curves of several entries in one panel a metric. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ui.components.axes import TIME, Axes
from ui.components.figure import PERCENT, Figure, figure
from ui.components.formats import compact, percent, words
from ui.components.series import Row, Value, column, last, smoothed, thinned
from ui.views.compare.groups import Entry
from ui.views.compare.logged import Log
from ui.views.compare.spread import Curve, by_place, interpolated
from ui.views.compare.strokes import Trace, faint, mean, stroke

HEIGHT = 300  # pixels
STEPS, EPOCHS = "step", "epoch"  # kinds of rows


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Something that runs log.

    Args:
        key: Its name in the rows.
        title: On the page.
        note: What it is, with its unit.
        kind: Of which rows, `STEPS` or `EPOCHS`.
        is_percent: Whether it is shown in per cent.
        measured: Whether it is worth smoothing, which what is set is not.
        vertical: Further keys of its axis.
    """

    key: str
    title: str
    note: str = ""
    kind: str = STEPS
    is_percent: bool = False
    measured: bool = True
    vertical: Mapping[str, Any] = field(default_factory=dict)

    @property
    def form(self) -> str:
        """d3's format of a value."""
        return ".2%" if self.is_percent else ".4~g"

    def told(self, number: Value) -> str:
        """A value in words."""
        return percent(number, 2) if self.is_percent else compact(number)


_FROM_ZERO = {"rangemode": "tozero"}
_KNOWN = (
    Metric(key="validation_nll", title="Validation NLL", kind=EPOCHS,
           note="After each epoch, in nats; lower is better."),
    Metric(key="validation_accuracy", title="Validation accuracy", kind=EPOCHS,
           note="After each epoch; higher is better.", is_percent=True),
    Metric(key="validation_ece", title="Validation calibration error (ECE)",
           kind=EPOCHS, note="Gap between confidence and accuracy; 0 is best.",
           is_percent=True, vertical=_FROM_ZERO),
    Metric(key="train_loss", title="Training loss",
           note="Mean over the batch, in nats; lower is better."),
    Metric(key="train_accuracy", title="Training accuracy", kind=EPOCHS,
           note="After each epoch.", is_percent=True),
    Metric(key="posterior_deviation", title="Posterior deviation",
           note="How uncertain the weights are on average.",
           vertical={"exponentformat": "power"}),
    Metric(key="lr", title="Learning rate", note="As the schedule sets it.",
           measured=False, vertical={"exponentformat": "power", **_FROM_ZERO}),
    Metric(key="examples_per_second", title="Speed", vertical=_FROM_ZERO,
           note="Training examples a second; validation is left out."),
)  # fmt: skip
DEFAULT = ("validation_nll", "validation_accuracy", "validation_ece", "train_loss")
KNOWN = {metric.key: metric for metric in _KNOWN}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A chart and its sentence for those who cannot see it."""

    metric: Metric
    figure: Figure
    alt: str


def available(logs: Sequence[Log]) -> dict[str, Metric]:
    """The metrics that any of the runs has logged, the known ones first."""
    kinds: dict[str, set[str]] = {}
    for log in logs:
        for key, each in log.kinds.items():
            kinds.setdefault(key, set()).update(each)
    found = {key: metric for key, metric in KNOWN.items() if key in kinds}
    for key in sorted(kinds.keys() - KNOWN.keys()):
        kind = STEPS if STEPS in kinds[key] else EPOCHS
        found[key] = Metric(key=key, title=words(key), kind=kind)
    return found


def panel(
    metric: Metric,
    runs: Sequence[tuple[Entry, Sequence[Log]]],
    axes: Axes,
    *,
    each_run: bool = False,
) -> Panel | None:
    """Draw a metric of all entries.

    Args:
        metric: What to draw.
        runs: Entries, each with what its runs have logged.
        axes: What it is drawn against.
        each_run: Whether the runs of families are drawn beneath their mean.

    Returns:
        The panel; None where nobody has logged it.
    """
    traces: list[Trace] = []
    told = []
    for entry, logs in runs:
        curves = [_curve(metric, log.rows, axes) for log in logs]
        known = [curve for curve in curves if last(curve[1]) is not None]
        if not known:
            continue
        made = _traces(metric, entry, known, axes, each_run=each_run)
        traces += [trace | {"x": axes.written(trace["x"])} for trace in made]
        told.append(f"{entry.name} {_now(metric, known)}")
    if not traces:
        return None
    by = axes.horizontal()["title"]["text"].lower()
    drawn = figure(
        traces, x=axes.horizontal(), y=axes.vertical(**_vertical(metric)),
        height=HEIGHT, hovermode="x unified", showlegend=False,
    )  # fmt: skip
    newest = "newest smoothed values" if _share(metric, axes) else "newest values"
    alt = f"{metric.title} by {by}, {newest}: {', '.join(told)}."
    return Panel(metric=metric, figure=drawn, alt=alt)


def uneven(logs: Sequence[Log]) -> bool:
    """Whether the runs of a family are not all as far as one another."""
    ends = {log.rows[-1].get("step") if log.rows else None for log in logs}
    return len(ends) > 1


def _curve(metric: Metric, rows: Sequence[Row], axes: Axes) -> Curve:
    places, values = column(rows, metric.kind, metric.key, axes.place)
    return places, smoothed(values, _share(metric, axes))


def _share(metric: Metric, axes: Axes) -> float:
    """Of a line's values, over which they are averaged; 0 for none."""
    return axes.smoothing if metric.measured and metric.kind == STEPS else 0.0


def _traces(
    metric: Metric,
    entry: Entry,
    curves: Sequence[Curve],
    axes: Axes,
    *,
    each_run: bool,
) -> list[Trace]:
    if not entry.is_family:
        hover = f"%{{y:{metric.form}}}"
        return [stroke(entry, *thinned(*curves[0]), hover)]
    band = interpolated(curves) if axes.kind == TIME else by_place(curves)
    beneath = [faint(entry, *curve) for curve in curves] if each_run else []
    return beneath + mean(entry, band, metric.form, log=axes.log_y)


def _now(metric: Metric, curves: Sequence[Curve]) -> str:
    values = [each for curve in curves if (each := last(curve[1])) is not None]
    middle = metric.told(sum(values) / len(values))
    return middle if len(curves) < 2 else f"{middle} on average of {len(curves)}"


def _vertical(metric: Metric) -> dict[str, Any]:
    form = {"tickformat": PERCENT} if metric.is_percent else {}
    return {**form, **metric.vertical}
