"""What recalibration would gain: before and after, and every method tried."""

from calibration.measures import HEADLINE
from calibration.report import written
from calibration.report.chart import Axis, Chart, Line, Panel
from calibration.report.data import (
    ModelReport,
    RecalibratedMethod,
    RecalibrationSection,
)
from calibration.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    Figures,
    Section,
    Table,
    Text,
)
from calibration.report.formats import MISSING, count, counted, grouped, sentence
from calibration.report.sections.context import Context
from calibration.report.sections.reliability import (
    confidence_axis,
    curve,
    diagonal,
    start_of,
    told,
)


def recalibration(context: Context) -> Section | None:
    """The section, if any model's predictions were recalibrated."""
    blocks: list[Block] = []
    for model in context.models:
        if model.recalibration is not None:
            blocks += context.heading(model)
            blocks += _model(context, model, model.recalibration)
    if not blocks:
        return None
    return Section(slug="recalibration", title="Recalibration", blocks=blocks)


def _model(
    context: Context, model: ModelReport, found: RecalibrationSection
) -> list[Block]:
    sizes = (
        f"{counted(found.num_fitted, 'example')} fitted on, {count(found.num_scored)} "
        "scored on; none is both."
    )
    blocks: list[Block] = [
        Text(f"{sentence(found.fitted_on)} {sizes}"),
        Figures(items=[_figure(context, model, found)]),
        _table(found),
    ]
    if found.left_out:
        blocks += [Text("Methods that could not be fitted:"), _left_out(found)]
    return blocks


def _left_out(found: RecalibrationSection) -> Bullets:
    # Imported late: a report without such methods is drawn without scikit-learn.
    from calibration.report.measuring.fitted import TITLES

    return Bullets([
        f"{TITLES.get(name, name)}: {grouped(sentence(why))}"
        for name, why in found.left_out.items()
    ])


def _best_title(found: RecalibrationSection) -> str:
    titles = {method.name: method.title for method in found.methods}
    return titles.get(found.best, found.best)


def _figure(
    context: Context, model: ModelReport, found: RecalibrationSection
) -> Figure:
    start = start_of([found.bins_before, found.bins_after])
    before = curve("As it is", found.bins_before, context.look(model))
    pale = Line(
        name=before.name, x=before.x, y=before.y, low=before.low, high=before.high,
        color="muted", dash="dash", symbol="x",
    )  # fmt: skip
    marks = [diagonal(start), pale]
    alt = told(f"Before recalibration, {model.name}", found.bins_before)
    if found.bins_after:
        title = f"After: {_best_title(found)}"
        marks.append(curve(title, found.bins_after, context.look(model)))
        alt += " " + told(title, found.bins_after)
    y = Axis(title="Accuracy", low=0, high=1.02, percent=True)
    x = confidence_axis(start)
    title = "Before and after the best method"
    return Figure(
        title=title if found.bins_after else "As it is: no method does better",
        chart=Chart(panels=[Panel(marks=marks, y=y)], x=x, height=380),
        alt=alt,
    )


def _table(found: RecalibrationSection) -> Table:
    names = [name for name in HEADLINE if name in found.before]
    columns = [
        Column(text="Method", words=True),
        *(written.column(name) for name in names),
        Column(text="Change of NLL", note="paired; negative is better"),
        Column(text="Validation NLL", note="chooses the best"),
    ]
    as_it_is = [
        Cell(text="As it is", detail="best" * (found.best == "none")),
        *(written.cell(name, found.before[name]) for name in names),
        Cell(text=MISSING),
        Cell(text=written.value("nll", found.validation_nll)),
    ]
    methods = [_cells(each, names, each.name == found.best) for each in found.methods]
    caption = "Methods tried, on the examples that none of them was fitted on"
    return Table(caption=caption, columns=columns, rows=[as_it_is, *methods])


def _cells(method: RecalibratedMethod, names: list[str], best: bool) -> list[Cell]:
    fitted = method.fitted or counted(method.num_parameters, "number")
    detail = f"best, {fitted}" if best else fitted
    return [
        Cell(text=method.title, detail=detail, strong=best),
        *(written.cell(name, method.metrics.get(name), best) for name in names),
        written.change("nll", method.nll_change),
        Cell(text=written.value("nll", method.validation_nll), strong=best),
    ]
