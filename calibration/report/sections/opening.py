"""The title page, the summary and the headline numbers."""

from collections.abc import Iterator, Sequence

from calibration.report import written
from calibration.report.data import Comparison, ModelReport, SeedRow
from calibration.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Section,
    Table,
    Text,
)
from calibration.report.formats import MISSING, count, counted, listed, moment
from calibration.report.sections.context import Context

Row = list[Cell]
_AT_MEAN = "… at the posterior mean"


def subtitle(context: Context) -> str:
    """Date and size in a line."""
    models = counted(len(context.models), "model")
    return f"{moment(context.report.created)} · {models}"


def facts(context: Context) -> list[Block]:
    """What was trained on what, for each model, and with which software."""
    blocks: list[Block] = [_origins(context, group) for group in context.tables()]
    software = [f"{name} {value}" for name, value in context.report.software.items()]
    if software:
        blocks.append(Text(f"Made with {listed(software)}.", quiet=True))
    return blocks


def summary(context: Context) -> Section:
    """What it all comes to, in sentences."""
    blocks: list[Block] = []
    for model in context.models:
        blocks += context.heading(model)
        blocks.append(Bullets(model.summary, lead=True))
    compared = [each.sentence for each in context.report.comparisons]
    if compared:
        blocks += [Heading(text="Side by side"), Bullets(compared)]
    return Section(slug="summary", title="Summary", blocks=blocks)


def headline(context: Context) -> Section:
    """Every measure of every model."""
    blocks: list[Block] = [Text(_explained(context))]
    blocks += [_numbers(context, group) for group in context.tables()]
    if context.report.comparisons:
        blocks.append(_differences(context.report.comparisons))
    if context.report.seeds:
        blocks.append(_seeds(context.report.seeds))
    return Section(slug="headline", title="Headline numbers", blocks=blocks)


def _origins(context: Context, group: Sequence[ModelReport]) -> Table:
    labels = dict.fromkeys(key for model in group for key in model.provenance)
    given = [
        [
            Cell(text=label),
            *(Cell(text=m.provenance.get(label, MISSING)) for m in group),
        ]
        for label in labels
    ]
    own = {
        "Test examples": [count(model.num_examples) for model in group],
        "Classes": [count(model.num_classes) for model in group],
        "Posterior samples": [_samples(model) for model in group],
    }
    known = {label.casefold() for label in labels}
    counts = [
        [Cell(text=label), *(Cell(text=text) for text in texts)]
        for label, texts in own.items()
        if label.casefold() not in known
    ]
    columns = [Column(text="", words=True)]
    columns += [
        Column(text=model.name, color=context.color(model), words=True)
        for model in group
    ]
    caption = "What was trained on what"
    return Table(
        caption=caption, columns=columns, rows=[*given, *counts], even=len(group) > 1
    )


def _samples(model: ModelReport) -> str:
    return count(model.num_samples) if model.num_samples > 1 else "none: a single model"


def _explained(context: Context) -> str:
    bold = " The best value of a row is bold; whether models truly differ is what the "
    bold += "paired comparison tells, not whether intervals overlap."
    apart = " The models were not all tested on the same examples: none of a row's "
    apart += "values is called the best."
    told = (bold if context.comparable else apart) if context.several else ""
    return (
        "Each number is followed by its 95 % interval over test examples: how far it "
        "would move with another test set of this size."
        f"{told}"
    )


def _numbers(context: Context, group: Sequence[ModelReport]) -> Table:
    columns = [Column(text="Measure", words=True)]
    columns += [context.column(model) for model in group]
    columns.append(Column(text="Examples"))
    return Table(
        caption="All measures with 95 % intervals",
        columns=columns,
        rows=[*_rows(context, group)],
    )


def _rows(context: Context, group: Sequence[ModelReport]) -> Iterator[Row]:
    names = written.ordered(key for model in context.models for key in model.metrics)
    for name in names:
        yield _row(context, group, name, "metrics", written.title(name))
        if any(name in model.at_mean for model in group):
            head, *cells = _row(context, group, name, "at_mean", _AT_MEAN)
            yield [Cell(text=head.text), *cells]


def _row(
    context: Context, group: Sequence[ModelReport], name: str, field: str, title: str
) -> Row:
    found = [getattr(model, field).get(name) for model in group]
    everyone = [
        getattr(model, field).get(name)
        for model in context.models
        if context.comparable
    ]
    cells = written.cells(name, found, everyone)
    counts = dict.fromkeys(count(value.count) for value in found if value is not None)
    head = Cell(text=title, detail=written.arrow(name))
    return [head, *cells, Cell(text=" / ".join(counts) or MISSING)]


def _differences(comparisons: Sequence[Comparison]) -> Table:
    names = written.ordered(k for each in comparisons for k in each.differences)
    rows = []
    for each in comparisons:
        cells = [
            written.change(name, each.differences[name])
            if name in each.differences
            else Cell(text=MISSING)
            for name in names
        ]
        rows.append([Cell(text=f"{each.second} less {each.first}"), *cells])
    return Table(
        caption="Paired differences on the same test examples",
        columns=[
            Column(text="Models", words=True),
            *(written.column(name) for name in names),
        ],
        rows=rows,
        note="An interval that leaves out 0 is a difference that chance alone would "
        "seldom make.",
    )


def _seeds(seeds: Sequence[SeedRow]) -> Table:
    names = written.ordered(key for each in seeds for key in each.means)
    columns = [Column(text="Measure", words=True)]
    columns += [
        Column(text=each.name, note=counted(len(each.models), "seed")) for each in seeds
    ]
    rows = [
        [
            Cell(text=written.title(name), detail=written.arrow(name)),
            *(_spread(name, each) for each in seeds),
        ]
        for name in names
    ]
    return Table(
        caption="Over seeds: mean ± standard deviation", columns=columns, rows=rows
    )


def _spread(name: str, seeds: SeedRow) -> Cell:
    if name not in seeds.means:
        return Cell(text=MISSING)
    return Cell(text=written.spread(name, seeds.means[name], seeds.deviations[name]))
