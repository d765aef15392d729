"""Class by class: the table, and a small diagram of each class."""

from calibration.definitions import HIGHER, LOWER
from calibration.report import written
from calibration.report.data import ClassRow, ModelReport
from calibration.report.document import (
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    Heading,
    Section,
    Table,
)
from calibration.report.formats import count, percent
from calibration.report.sections.context import Context
from calibration.report.sections.reliability import overlay

MAX_ROWS = 30
MAX_DIAGRAMS = 20
COLUMNS = (
    Column(text="Class", words=True),
    Column(text="Examples"),
    Column(text="Predicted"),
    Column(text="Recall", note=written.ARROWS[HIGHER]),
    Column(text="Precision", note=written.ARROWS[HIGHER]),
    Column(text="NLL", note=written.ARROWS[LOWER]),
    Column(text="Mean probability"),
    Column(text="Calibration error", note=written.ARROWS[LOWER]),
)


def per_class(context: Context) -> Section | None:
    """The section, if any model has classes."""
    models = [model for model in context.models if model.classes]
    if not models:
        return None
    blocks: list[Block] = []
    for model in models:
        blocks += context.heading(model)
        blocks.append(_table(model))
    figures = _diagrams(context, models)
    if figures:
        note = "Probability of the class from left to right, how often it is the true "
        note += "one from bottom to top, both from 0 to 100 %."
        blocks.append(Heading(text="Reliability of each class"))
        blocks.append(Figures(items=figures, columns=5, note=note))
    return Section(slug="classes", title="Class by class", blocks=blocks)


def _table(model: ModelReport) -> Table:
    shown = _shown(model.classes)
    left_out = len(model.classes) - len(shown)
    note = (
        f"The {count(len(shown))} classes of least recall; the table classes.csv has "
        f"the other {count(left_out)} too."
    )
    return Table(
        caption="Each class against all others",
        columns=COLUMNS,
        rows=[_cells(row) for row in shown],
        note=note if left_out else "",
    )


def _cells(row: ClassRow) -> list[Cell]:
    return [
        Cell(text=row.name),
        Cell(text=count(row.count)),
        Cell(text=count(row.predicted)),
        written.percent_cell(row.recall),
        written.percent_cell(row.precision),
        written.cell("nll", row.nll),
        Cell(text=percent(row.confidence)),
        Cell(text=percent(row.calibration_error, 2)),
    ]


def _shown(rows: list[ClassRow]) -> list[ClassRow]:
    """All classes in their order, or the worst where there are too many."""
    if len(rows) <= MAX_ROWS:
        return rows
    # A class without examples has no recall: it is the last that one asks for.
    worst = sorted(rows, key=lambda r: (r.recall is None, r.recall or 0.0, r.index))
    return worst[:MAX_ROWS]


def _diagrams(context: Context, models: list[ModelReport]) -> list[Figure]:
    """One diagram a class; models share it where their classes are the same."""
    names = [model.class_names for model in models]
    if len(names[0]) > MAX_DIAGRAMS or any(each != names[0] for each in names):
        return []
    figures = []
    for index, name in enumerate(names[0]):
        bins = {
            model.name: row.bins
            for model in models
            for row in model.classes
            if row.index == index and row.bins
        }
        if bins:
            figures.append(overlay(context, bins, title=name, x="", y="", height=170))
    return figures
