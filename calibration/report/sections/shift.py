"""Distribution shift: what corruptions of the test images do to each model."""

from collections.abc import Iterator
from statistics import fmean

from calibration.report import written
from calibration.report.chart import Axis, Band, Chart, Line, Mark, Panel
from calibration.report.data import ModelReport, ShiftPoint
from calibration.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    Section,
    Table,
    Text,
)
from calibration.report.formats import count, counted, listed, words
from calibration.report.sections.context import Context
from calibration.shift import APART, CLEAN, averaged_kinds

FIELDS = ("accuracy", "nll", "ece")
FEW = 2  # models whose single kinds can be drawn too
Values = dict[tuple[str, int], float]


def shift(context: Context) -> Section | None:
    """The section, if any model met corrupted examples."""
    models = [model for model in context.models if model.shift]
    if not models:
        return None
    figures = [_figure(context, models, name) for name in FIELDS]
    blocks: list[Block] = [
        Text(
            f"{_examples(models)}, corrupted more and more (severity 1 to 5; 0 is "
            "clean). A trustworthy model grows less certain as it grows less accurate: "
            "its calibration error stays low. Thick lines are means over the kinds of "
            "corruption, bands reach from the least to the most of them. "
            f"{_apart(models)}"
        ),
        Figures(items=figures, columns=3),
        _means(context, models),
    ]
    for model in models:
        blocks += context.heading(model)
        blocks += [_heat(model, name) for name in ("accuracy", "ece")]
    missing = context.without(models)
    if missing:
        blocks.append(Text(f"Not measured for {listed(missing)}.", quiet=True))
    return Section(slug="shift", title="Distribution shift", blocks=blocks)


def _examples(models: list[ModelReport]) -> str:
    """Which examples were corrupted: often a part of the test set."""
    sizes: dict[tuple[int, int], list[str]] = {}
    for model in models:
        used = next(count for p in model.shift for count in _counts(p))
        sizes.setdefault((used, model.num_examples), []).append(model.name)
    told = []
    for (used, total), names in sizes.items():
        whose = f" ({listed(names)})" if len(sizes) > 1 else ""
        part = f"A part of the test set, {count(used)} of {count(total)} examples"
        every = f"The {counted(total, 'test example')}"
        told.append(f"{part if used < total else every}{whose}")
    return "; ".join([told[0], *(f"{each[:1].lower()}{each[1:]}" for each in told[1:])])


def _counts(point: ShiftPoint) -> list[int]:
    return [each.count for each in point.metrics.values()]


def _means(context: Context, models: list[ModelReport]) -> Table:
    """What the figures draw, as numbers."""
    rows = [
        [*[Cell(text=model.name)] * context.several, Cell(text=str(severity)), *cells]
        for model in models
        for severity, cells in _mean_cells(model)
    ]
    return Table(
        caption="Means over the kinds of corruption",
        columns=[
            *[Column(text="Model", words=True)] * context.several,
            Column(text="Severity"),
            *(written.column(name) for name in FIELDS),
        ],
        rows=rows,
        note="In brackets the 95 % interval at severity 0, and the least and the most "
        "of the kinds at the others.",
    )


def _mean_cells(model: ModelReport) -> Iterator[tuple[int, list[Cell]]]:
    clean = next((p.metrics for p in model.shift if p.kind == CLEAN), {})
    for severity in sorted({point.severity for point in model.shift}):
        if severity == 0:
            yield 0, [written.cell(name, clean.get(name)) for name in FIELDS]
            continue
        found = [_at(_values(model.shift, name), severity) for name in FIELDS]
        pairs = zip(FIELDS, found, strict=True)
        yield severity, [written.range_cell(name, each) for name, each in pairs]


def _apart(models: list[ModelReport]) -> str:
    kinds = {point.kind for model in models for point in model.shift}
    alone = [words(kind) for kind in APART if kind in kinds]
    return f"{listed(alone)} is not part of the means." if alone else ""


def _values(points: list[ShiftPoint], name: str) -> Values:
    return {
        (p.kind, p.severity): float(p.metrics[name])
        for p in points
        if name in p.metrics
    }


def _kinds(values: Values) -> list[str]:
    return list(dict.fromkeys(kind for kind, _ in values if kind != CLEAN))


def _severities(values: Values) -> list[int]:
    return sorted({severity for _, severity in values})


def _at(values: Values, severity: int) -> list[float]:
    """The values at a severity of the kinds that are averaged."""
    kinds = {CLEAN, *averaged_kinds(_kinds(values))}
    return [
        value
        for (kind, each), value in values.items()
        if each == severity and kind in kinds
    ]


def _figure(context: Context, models: list[ModelReport], name: str) -> Figure:
    marks: list[Mark] = []
    told = []
    for model in models:
        values = _values(model.shift, name)
        if values:
            marks += _curves(context, model, values, thin=len(models) <= FEW)
            told.append(_told(model.name, name, values))
    y = Axis(title=written.short(name), low=0, percent=written.is_percent(name))
    ticks = {float(severity): str(severity) for severity in range(6)}
    return Figure(
        title=f"{written.short(name)} against severity",
        chart=Chart(
            panels=[Panel(marks=marks, y=y)],
            x=Axis(title="Severity", low=-0.1, high=5.1, ticks=ticks),
            height=310,
        ),
        alt=f"{written.title(name)} against severity. {' '.join(told)}",
    )


def _curves(
    context: Context, model: ModelReport, values: Values, thin: bool
) -> list[Mark]:
    look = context.look(model)
    severities = _severities(values)
    columns = [_at(values, severity) for severity in severities]
    band = Band(
        name="Range", x=severities, low=[min(c) for c in columns],
        high=[max(c) for c in columns], color=look.color, legend=False,
    )  # fmt: skip
    mean = Line(
        name=model.name if context.several else "Mean over kinds",
        x=severities, y=[fmean(c) for c in columns], color=look.color, dash=look.dash,
        symbol=look.symbol, width=2.5,
    )  # fmt: skip
    singles = [_single(look.color, values, kind) for kind in _kinds(values) if thin]
    return [band, *singles, mean]


def _single(color: str, values: Values, kind: str) -> Line:
    known = [s for s in _severities(values) if (kind, s) in values]
    points = [(s, values[kind, s]) for s in known]
    if (CLEAN, 0) in values:
        points.insert(0, (0, values[CLEAN, 0]))
    return Line(
        name=words(kind), x=[s for s, _ in points], y=[v for _, v in points],
        color=color, width=1, opacity=0.35, legend=False,
    )  # fmt: skip


def _told(model: str, name: str, values: Values) -> str:
    severities = _severities(values)
    first, last = severities[0], severities[-1]
    start, end = (written.value(name, fmean(_at(values, s))) for s in (first, last))
    return f"{model}: {start} at severity {first}, on average {end} at {last}."


def _heat(model: ModelReport, name: str) -> Table:
    values = _values(model.shift, name)
    severities = [severity for severity in _severities(values) if severity > 0]
    lower = written.better(name) == "lower"
    least, most = min(values.values()), max(values.values())
    spread = (most - least) or 1.0

    def cell(kind: str, severity: int) -> Cell:
        if (kind, severity) not in values:
            return Cell(text="-")
        value = values[kind, severity]
        depth = (value - least if lower else most - value) / spread
        return Cell(text=written.value(name, value), shade=depth)

    rows = [
        [Cell(text=words(kind)), *(cell(kind, severity) for severity in severities)]
        for kind in _kinds(values)
    ]
    clean = values.get((CLEAN, 0))
    note = "" if clean is None else f"Clean: {written.value(name, clean)}. "
    return Table(
        caption=f"{written.title(name)} by kind and severity",
        columns=[
            Column(text="Corruption", words=True),
            *(Column(text=f"Severity {severity}") for severity in severities),
        ],
        rows=rows,
        note=f"{note}The deeper the colour, the worse.",
    )
