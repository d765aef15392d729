"""Prediction sets: how often they hold the true class, and how large they are."""

from calibration.estimate import Estimate
from calibration.report import written
from calibration.report.data import Conformal, ConformalRow, ModelReport
from calibration.report.document import Block, Cell, Column, Section, Table, Text
from calibration.report.formats import counted, listed, percent, sentence
from calibration.report.sections.context import Context

Sets = list[tuple[ModelReport, Conformal]]


def conformal(context: Context) -> Section | None:
    """Prediction sets, if any model has them."""
    found = [(model, model.conformal) for model in context.models if model.conformal]
    if not found:
        return None
    blocks: list[Block] = [
        Text(
            "Instead of one class, a set that holds the true class at least as often "
            "as promised, whatever the model, as long as examples come from the same "
            "source."
        ),
        _sets_table(context, found),
        *_fitted_on(found),
    ]
    return Section(slug="conformal", title="Conformal sets", blocks=blocks)


def _sets_table(context: Context, found: Sets) -> Table:
    columns = [
        *[Column(text="Model", words=True)] * context.several,
        Column(text="Method", words=True),
        Column(text="Promised", note="at least"),
        Column(text="Reached"),
        Column(text="Classes in a set", note="mean; fewer is better"),
        Column(text="Sets of one class"),
        Column(text="Empty sets"),
    ]
    rows = [
        [*[Cell(text=model.name)] * context.several, *_sets_cells(row)]
        for model, sets in found
        for row in sets.rows
    ]
    caption = "Coverage and size of prediction sets"
    return Table(caption=caption, columns=columns, rows=rows)


def _sets_cells(row: ConformalRow) -> list[Cell]:
    return [
        Cell(text=row.method),
        Cell(text=percent(row.promised)),
        written.percent_cell(row.coverage),
        Cell(text=f"{row.size:.2f}", detail=_ends(row.size)),
        Cell(text=percent(row.singletons)),
        Cell(text=percent(row.empty)),
    ]


def _fitted_on(found: Sets) -> list[Text]:
    """What the thresholds were set on, once for all models of which it is the same."""
    fitted: dict[str, list[str]] = {}
    for model, sets in found:
        number = counted(sets.num_fitted, "example")
        told = f"{sentence(sets.fitted_on)} {number} set the thresholds."
        fitted.setdefault(told, []).append(model.name)
    alone = len(fitted) == 1
    return [
        Text(told if alone else f"{listed(names)}: {told}", quiet=True)
        for told, names in fitted.items()
    ]


def _ends(estimate: Estimate) -> str:
    return f"({estimate.low:.2f} to {estimate.high:.2f})"
