"""Acting on uncertainty: leaving the hardest to somebody else."""

from itertools import pairwise

from calibration.estimate import Estimate
from calibration.report import written
from calibration.report.chart import Axis, Bars, Chart, Line, Panel
from calibration.report.data import (
    ModelReport,
    UncertaintyHistogram,
)
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
from calibration.report.formats import count, counted, percent
from calibration.report.sections.context import Context, columns_of
from calibration.report.sections.reliability import FEW

AREAS = ("aurc", "augrc", "excess_aurc")
LEVELS = {
    "Coverage at {} % risk": "coverage_at_risk",
    "Risk at {} % coverage": "risk_at_coverage",
}


def selective(context: Context) -> Section:
    """Risk against coverage, all models in one figure, and the numbers."""
    blocks: list[Block] = [
        Text(
            "Keep the predictions that are most certain and leave the others to "
            "somebody else: how many errors are left among those kept? The oracle "
            "leaves out errors first; no model can do better."
        ),
        Figures(items=[_risk_figure(context)]),
    ]
    blocks += [_risk_table(context, group) for group in context.tables()]
    return Section(slug="selective", title="Selective prediction", blocks=blocks)


def _risk_figure(context: Context) -> Figure:
    marks: list[Line] = []
    few = len(context.models) <= FEW
    for model in context.models:
        marks += _risk_lines(context, model, references=few)
    x = Axis(title="Share of predictions kept", low=0, high=1.01, percent=True)
    y = Axis(title="Errors among them", low=0, percent=True)
    others = "" if few else " Oracles are left out for legibility; the table has them."
    return Figure(
        title="Risk against coverage",
        chart=Chart(panels=[Panel(marks=marks, y=y)], x=x, height=380),
        alt=" ".join(_risk_told(model) for model in context.models) + others,
    )


def _risk_lines(context: Context, model: ModelReport, references: bool) -> list[Line]:
    found, look = model.selective, context.look(model)
    whose = f", {model.name}" if context.several else ""
    name = model.name if context.several else "Most certain first"
    line = Line(
        name=name, x=found.coverage, y=found.risk, color=look.color, dash=look.dash,
        width=2.5,
    )  # fmt: skip
    if not references:
        return [line]
    random = Line(
        name=f"At random{whose}", x=[0, 1], y=[found.random] * 2, color=look.color,
        dash="dot", width=1.5,
    )  # fmt: skip
    best = Line(
        name=f"Oracle{whose}", x=found.coverage, y=found.oracle, color=look.color,
        dash="dash", width=1.5,
    )  # fmt: skip
    return [random, best, line]


def _risk_told(model: ModelReport) -> str:
    found = model.selective
    kept = min(range(len(found.coverage)), key=lambda i: abs(found.coverage[i] - 0.8))
    return (
        f"{model.name}: {percent(found.random)} of all predictions are wrong; of the "
        f"{percent(found.coverage[kept], 0)} most certain ones "
        f"{percent(found.risk[kept])}, of the oracle's {percent(found.oracle[kept])}."
    )


def _risk_table(context: Context, group: list[ModelReport]) -> Table:
    oracle = [written.value("aurc", model.selective.oracle_area) for model in group]
    rows = [
        *(
            _row(context, group, written.title(name), name, "areas", name)
            for name in AREAS
        ),
        [Cell(text="AURC of the oracle"), *(Cell(text=value) for value in oracle)],
    ]
    for title, name in LEVELS.items():
        every = [level for model in context.models for level in _values(model, name)]
        for level in dict.fromkeys(every):
            told = title.format(level)
            rows.append(_row(context, group, told, name, name, level))
    columns = [Column(text="Measure", words=True)]
    columns += [context.column(model) for model in group]
    return Table(caption="Selective prediction", columns=columns, rows=rows)


def _values(model: ModelReport, field: str) -> dict[str, Estimate]:
    values: dict[str, Estimate] = getattr(model.selective, field)
    return values


def _row(
    context: Context,
    group: list[ModelReport],
    title: str,
    name: str,
    field: str,
    key: str,
) -> list[Cell]:
    found = [_values(model, field).get(key) for model in group]
    everyone = [
        _values(model, field).get(key) for model in context.models if context.comparable
    ]
    head = Cell(text=title, detail=written.arrow(name))
    return [head, *written.cells(name, found, everyone)]


def right_and_wrong(context: Context) -> Section:
    """How uncertain right and wrong predictions are."""
    figures = [_histogram(context, model) for model in context.models]
    blocks: list[Block] = [
        Text(
            "A model that knows what it does not know is uncertain where it is wrong. "
            "Each group's bars add up to 100 %."
        ),
        Figures(items=figures, columns=columns_of(len(figures))),
    ]
    title = "Uncertainty of right and wrong predictions"
    return Section(slug="uncertainty", title=title, blocks=blocks)


def _histogram(context: Context, model: ModelReport) -> Figure:
    found = model.uncertainty
    marks = [
        shares(f"Right ({count(sum(found.right))})", found.edges, found.right, "good"),
        shares(f"Wrong ({count(sum(found.wrong))})", found.edges, found.wrong, "bad"),
    ]
    x = Axis(title="Predictive entropy, in nats", low=found.edges[0])
    y = Axis(title="Share of the group", low=0, percent=True)
    return Figure(
        title=model.name if context.several else "",
        chart=Chart(panels=[Panel(marks=marks, y=y)], x=x, height=320),
        alt=_histogram_told(model.name, found),
    )


def shares(name: str, edges: list[float], numbers: list[int], color: str) -> Bars:
    """A histogram whose bars add up to one."""
    total = max(1, sum(numbers))
    pairs = list(pairwise(edges))
    return Bars(
        name=name,
        x=[(left + right) / 2 for left, right in pairs],
        widths=[right - left for left, right in pairs],
        heights=[number / total for number in numbers],
        color=color,
        opacity=0.5,
    )


def middle(edges: list[float], numbers: list[int]) -> float | None:
    """The median of what a histogram counts, to within a bin; None if it is empty."""
    seen, total = 0, sum(numbers)
    for left, right, number in zip(edges[:-1], edges[1:], numbers, strict=True):
        seen += number
        if total and 2 * seen >= total:
            return (left + right) / 2
    return None


def _histogram_told(name: str, found: UncertaintyHistogram) -> str:
    parts = []
    for kind, numbers in (("right", found.right), ("wrong", found.wrong)):
        median = middle(found.edges, numbers)
        told = "none" if median is None else f"about {median:.2f} nats"
        parts.append(f"{counted(sum(numbers), f'{kind} prediction')}: {told}")
    return f"Median predictive entropy of {name}, {'; '.join(parts)}."
