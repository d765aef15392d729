"""The picture of a study as data: three panels against its setting, and a page.

Torch-free. Chart and page are those of `calibration.report`, so that the page follows
the reader's light or dark theme and needs no network.
"""

from collections.abc import Sequence

from calibration import SeedSummary
from calibration.report import written
from calibration.report.chart import Axis, Band, Chart, Mark, Panel
from calibration.report.chart import Line as Stroke
from calibration.report.colors import look
from calibration.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Figure,
    Figures,
    Section,
    Table,
    Text,
)
from trainers.against import MEASURES, Line
from trainers.studies import Study
from trainers.study_findings import best_place, reference_of, sentences

_SPREAD = 10.0  # largest over smallest value, from which on an axis is logarithmic


def is_log(values: Sequence[float]) -> bool:
    """Whether values of a setting are better seen on a logarithmic axis."""
    return min(values) > 0 and max(values) / min(values) >= _SPREAD


def chart_of(lines: Sequence[Line], axis: str, study: Study | None) -> Chart:
    """The panels of NLL, ECE and accuracy against a setting.

    Args:
        lines: As `trainers.against.lines` gives them; one at least with values.
        axis: The setting.
        study: Its study, whose reference is marked; None for none.
    """
    values = sorted({
        p.value for each in lines for p in each.places if p.value is not None
    })
    x = Axis(
        title=axis.replace("_", " "),
        ticks={value: f"{value:.4g}" for value in values},
        log=is_log(values),
    )
    panels = []
    for name in MEASURES:
        marks: list[Mark] = []
        for number, each in enumerate(lines):
            marks += _marks(each, name, number, (values[0], values[-1]))
        marks += _references(lines, study, marks)
        y = Axis(title=written.short(name), percent=written.is_percent(name))
        panels.append(Panel(marks=marks, y=y))
    return Chart(panels=panels, x=x, height=760)


def _marks(
    line: Line, measure: str, number: int, ends: tuple[float, float]
) -> list[Mark]:
    style = look(number)
    found = [(p.value, s) for p in line.places if (s := p.over_seeds(measure))]
    if not found:
        return []
    if line.is_level:
        (_, level), *_ = found
        found = [(end, level) for end in ends]
    x = [float(value) for value, _ in found if value is not None]
    marks: list[Mark] = []
    spread = [s.deviation or 0.0 for _, s in found]
    if any(spread):
        pairs = list(zip((s.mean for _, s in found), spread, strict=True))
        marks.append(Band(
            name="one standard deviation over seeds", x=x, color=style.color,
            low=[mean - each for mean, each in pairs],
            high=[mean + each for mean, each in pairs],
        ))  # fmt: skip
    marks.append(Stroke(
        name=line.name, x=x, y=[s.mean for _, s in found], color=style.color,
        dash="dash" if line.is_level else "solid",
        symbol="" if line.is_level else style.symbol,
    ))  # fmt: skip
    return marks + _at_mean(line, measure, style.color) + _best(line, measure)


def _at_mean(line: Line, measure: str, color: str) -> list[Mark]:
    found = [
        (place.value, summary.mean)
        for place in line.places
        if place.value is not None
        and (summary := place.over_seeds(measure, at_mean=True))
    ]
    if not found:
        return []
    return [Stroke(
        name=f"{line.name}, at the posterior mean", x=[x for x, _ in found],
        y=[y for _, y in found], color=color, dash="dot", width=1.5, opacity=0.8,
    )]  # fmt: skip


def _best(line: Line, measure: str) -> list[Mark]:
    place = best_place(line, measure)
    summary = place.over_seeds(measure) if place else None
    if len(line.places) < 2 or place is None or place.value is None or summary is None:
        return []
    return [Stroke(
        name="best mean", x=[place.value], y=[summary.mean], color="ink", dash="",
        symbol="star",
    )]  # fmt: skip


def _references(
    lines: Sequence[Line], study: Study | None, drawn: Sequence[Mark]
) -> list[Mark]:
    """Upright lines at the values that a study compares others with."""
    heights = [y for mark in drawn if isinstance(mark, Stroke) for y in mark.y]
    bands = [mark for mark in drawn if isinstance(mark, Band)]
    heights += [y for band in bands for y in (*band.low, *band.high)]
    if study is None or not heights:
        return []
    found = {reference_of(study, line) for line in lines} - {None}
    ends = [min(heights), max(heights)]
    return [
        Stroke(
            name=f"{study.reference_title}: {value:.4g}", x=[value, value], y=ends,
            color="gap", dash="dash", width=1.3,
        )
        for value in sorted(each for each in found if each is not None)
    ]  # fmt: skip


def document(
    title: str,
    subtitle: str,
    lines: Sequence[Line],
    axis: str,
    study: Study | None,
) -> Document:
    """The page: what was asked, what came of it, the picture and its numbers.

    Args:
        title: Its heading.
        subtitle: The line below.
        lines: Against the setting.
        axis: The setting.
        study: Its study, None for none.
    """
    told = sentences(study, lines, axis, MEASURES)
    facts: list[Block] = []
    if study is not None:
        facts = [Text(study.summary), Text(study.paper, quiet=True)]
    figure = Figure(
        chart=chart_of(lines, axis, study),
        alt=" ".join(told) or f"Results against {axis.replace('_', ' ')}.",
        caption="Means over seeds on the test split; of a posterior, its predictive. "
        "Bands are one standard deviation over seeds.",
    )
    sections = [
        Section(slug="verdict", title="What it comes to", blocks=[Bullets(told), Text(
            "Differences are taken seed by seed, with Student's interval widened for "
            "the number of values that the best was chosen from. The values were "
            "compared on the test split.", quiet=True,
        )]),
        Section(slug="picture", title="Picture", blocks=[Figures(items=[figure])]),
        Section(slug="numbers", title="Numbers", blocks=[numbers(lines, axis)]),
    ]  # fmt: skip
    return Document(title=title, subtitle=subtitle, facts=facts, sections=sections)


def numbers(lines: Sequence[Line], axis: str) -> Table:
    """The numbers of all lines as a table, the best mean of each measure bold."""
    columns = [Column(text="Line", words=True), Column(text=axis.replace("_", " "))]
    columns += [Column(text="Seeds")]
    columns += [written.column(name) for name in MEASURES]
    rows = []
    for line in lines:
        best = {name: best_place(line, name) for name in MEASURES}
        for place in line.places:
            value = "-" if place.value is None else f"{place.value:.4g}"
            cells = [
                Cell(text=text) for text in (line.name, value, str(len(place.runs)))
            ]
            for name in MEASURES:
                strong = best[name] is place and len(line.places) > 1
                cells.append(_cell(name, place.over_seeds(name), strong=strong))
            rows.append(cells)
    return Table(
        caption="Mean ± standard deviation over seeds", columns=columns, rows=rows
    )


def _cell(name: str, found: SeedSummary | None, *, strong: bool) -> Cell:
    if found is None:
        return Cell(text="-")
    if found.deviation is None:
        return Cell(text=written.value(name, found.mean), strong=strong)
    return Cell(text=written.spread(name, found.mean, found.deviation), strong=strong)
