"""continual.png and continual.html: average accuracy by method, and every triangle."""

import io
from pathlib import Path
from typing import Any

from calibration.report.chart import Line as Stroke
from calibration.report.chart import legend_of
from calibration.report.colors import LIGHT, SYMBOLS
from calibration.report.document import (
    Block,
    Document,
    Figure,
    Figures,
    Section,
    Text,
)
from data import dataset_spec
from trainers.continual.charts import (
    average_alt,
    average_chart,
    final_table,
    triangle_table,
)
from trainers.continual.findings import verdict
from trainers.continual.record import Course, Record
from trainers.continual.settings import METHODS
from trainers.runs import Run, write_atomically

DPI = 140  # dots an inch
SMALL = 7.0  # size of the text
LEFT, TOP, CHART, MAP, GAP = 0.6, 0.65, 3.4, 2.6, 0.65  # inches
TITLE = "Tasks learned one after another"


def write_pictures(run: Run, record: Record) -> None:
    """Write both, atomically.

    Args:
        run: The run.
        record: With one task at least of each method.
    """
    write_atomically(page_path(run), page(record).encode())
    stream = io.BytesIO()
    drawn = draw(record)
    drawn.savefig(stream, format="png", metadata={"Software": None})
    write_atomically(picture_path(run), stream.getvalue())


def picture_path(run: Run) -> Path:
    """Where the picture is."""
    return run.path / "continual.png"


def page_path(run: Run) -> Path:
    """Where the page is."""
    return run.path / "continual.html"


def subtitle(record: Record) -> str:
    """What was learned."""
    settings = record.settings
    hidden = "-".join(map(str, settings.hidden))
    images = f"{settings.num_train:,}" if settings.num_train else "all"
    held = "held-out" if settings.validate else "test"
    title = dataset_spec(settings.dataset).title
    plural = "s" * (settings.epochs != 1)
    return (
        f"{title} with permuted pixels, {settings.tasks} tasks of {images} training "
        f"images, {settings.epochs} epoch{plural} each; MLP {hidden}; accuracy on "
        f"{record.num_test:,} {held} images; seed {settings.seed}."
    )


def page(record: Record) -> str:
    """One HTML file that opens anywhere, without a network."""
    from calibration.report.html import render_document  # which imports Jinja2

    figure = Figure(
        chart=average_chart(record), alt=average_alt(record),
        title="Average accuracy after each task",
    )  # fmt: skip
    facts: list[Block] = [Figures(items=[figure]), final_table(record)]
    if sentence := verdict(record):
        facts.insert(0, Text(sentence))
    triangles = [
        triangle_table(name, course)
        for name, course in record.courses.items()
        if course.num_tasks
    ]
    section = Section(slug="tasks", title="Every task after each", blocks=triangles)
    return render_document(
        Document(
            title=TITLE, subtitle=subtitle(record), facts=facts, sections=[section]
        )
    )


def draw(record: Record) -> Any:
    """The picture as a figure of matplotlib's: lines, and a map by method."""
    from matplotlib.figure import Figure as Canvas

    shown = {n: c for n, c in record.courses.items() if c.num_tasks}
    columns = max(2, len(shown))
    wide = LEFT + columns * (MAP + GAP)
    tall = TOP + CHART + 2 * GAP + MAP + 0.2
    # The object-oriented interface: nothing of pyplot's global state is touched.
    canvas = Canvas(figsize=(wide, tall), dpi=DPI)
    text: dict[str, Any] = {"parse_math": False, "va": "top"}
    canvas.text(
        0.15 / wide, 1 - 0.1 / tall, TITLE, fontsize=11, color=LIGHT["ink"], **text
    )
    canvas.text(
        0.15 / wide, 1 - 0.36 / tall, subtitle(record), fontsize=SMALL,
        color=LIGHT["muted"], **text,
    )  # fmt: skip
    size = (wide - LEFT - 0.3, CHART - 0.4)
    _lines(_axes(canvas, LEFT, tall - TOP - CHART + 0.2, *size), record, size)
    values = [v for c in shown.values() for row in c.accuracy for v in row]
    for place, (name, course) in enumerate(shown.items()):
        axes = _axes(canvas, LEFT + place * (MAP + GAP), 0.5, MAP, MAP)
        _map(axes, METHODS[name], course, (min(values), max(values)))
    return canvas


def _axes(canvas: Any, left: float, bottom: float, wide: float, tall: float) -> Any:
    """Axes at a place in inches."""
    across, up = canvas.get_size_inches()
    return canvas.add_axes((left / across, bottom / up, wide / across, tall / up))


def _lines(axes: Any, record: Record, size: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    from calibration.report.pages.charts import draw_panel

    chart = average_chart(record)
    draw_panel(axes, chart.x, chart.panels[0], (size[0] * 72, size[1] * 72))
    handles = [
        Line2D(
            [], [], color=LIGHT[mark.color], label=mark.name, markersize=5,
            linestyle="--" if mark.dash == "dash" else "-",
            marker=SYMBOLS[mark.symbol][0],
        )
        for mark in legend_of(chart)
        if isinstance(mark, Stroke)
    ]  # fmt: skip
    axes.legend(handles=handles, loc="lower left", fontsize=SMALL + 0.5, frameon=False)


def _map(axes: Any, title: str, course: Course, ends: tuple[float, float]) -> None:
    """A triangle, stronger where accuracy is higher; all maps on one scale."""
    count = course.num_tasks
    grid = [[*row, *[float("nan")] * (count - len(row))] for row in course.accuracy]
    axes.imshow(grid, cmap="Blues", vmin=2 * ends[0] - ends[1], vmax=ends[1])
    axes.set_title(title, fontsize=SMALL + 1.5, color=LIGHT["ink"], loc="left")
    ticks = range(0, count, 1 + count // 12)
    labels = [str(k + 1) for k in ticks]
    axes.set_xticks(ticks, labels, fontsize=SMALL)
    axes.set_yticks(ticks, labels, fontsize=SMALL)
    axes.set_xlabel("accuracy on task, %", fontsize=SMALL)
    axes.set_ylabel("after task", fontsize=SMALL)
    if count > 12:
        return
    for after, row in enumerate(course.accuracy):
        for task, value in enumerate(row):
            dark = value > (ends[0] + 3 * ends[1]) / 4
            axes.text(
                task, after, f"{100 * value:.0f}", ha="center", va="center",
                fontsize=SMALL - 1, color="white" if dark else LIGHT["ink"],
            )  # fmt: skip
