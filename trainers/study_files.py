"""The files of a study: its picture as PNG and as a page, its numbers as CSV.

Torch-free.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibration.report.chart import Chart, legend_of
from calibration.report.chart import Line as Stroke
from calibration.report.colors import LIGHT, SYMBOLS
from trainers.against import MEASURES, Line
from trainers.runs import write_atomically
from trainers.studies import Study
from trainers.study_findings import table
from trainers.study_picture import chart_of, document

PNG, HTML, CSV = "study.png", "study.html", "study.csv"
_WIDE, _TALL, _DPI = 12.0, 3.9, 150  # inches, and dots in one
_SHORT = 6  # characters of a label that lies along its axis
_DASHES = {"dash": "--", "dot": ":", "": "none"}


def write_study(
    folder: Path,
    title: str,
    subtitle: str,
    lines: Sequence[Line],
    axis: str,
    study: Study | None,
) -> list[Path]:
    """Write the picture and the numbers of a study.

    Args:
        folder: Where to; made if it is not there.
        title: Heading of the page.
        subtitle: The line below it.
        lines: Against the setting; one at least with values.
        axis: The setting.
        study: Its study, None for none.

    Returns:
        The files: PNG, HTML, CSV.
    """
    from calibration.report.html import render_document  # which imports Jinja2

    folder.mkdir(parents=True, exist_ok=True)
    page = render_document(document(title, subtitle, lines, axis, study))
    contents = {
        PNG: png(chart_of(lines, axis, study), title),
        HTML: page.encode(),
        CSV: as_csv(lines, axis),
    }
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [folder / name for name in contents]


def as_csv(lines: Sequence[Line], axis: str) -> bytes:
    """The numbers of all lines, one value a row."""
    rows = table(lines, MEASURES)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([axis if key == "value" else key for key in rows[0]])
    writer.writerows(row.values() for row in rows)
    return text.getvalue().encode()


def png(chart: Chart, title: str) -> bytes:
    """A chart with its panels side by side, on white."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.lines import Line2D

    from calibration.report.pages.charts import draw_panel

    # The object-oriented interface: nothing of pyplot's global state is touched.
    canvas = Canvas(figsize=(_WIDE, _TALL), dpi=_DPI)
    canvas.text(0.045, 0.95, title, fontsize=10, parse_math=False, va="center")
    number = len(chart.panels)
    size = (0.88 / number - 0.045, 0.62)
    for place, panel in enumerate(chart.panels):
        left = 0.06 + place * 0.945 / number
        axes = canvas.add_axes((left, 0.25, *size))
        inches = (size[0] * _WIDE * 72, size[1] * _TALL * 72)
        draw_panel(axes, chart.x, panel, inches)
        if max(map(len, chart.x.ticks.values())) <= _SHORT:
            axes.tick_params("x", rotation=0)
    marks = [mark for mark in legend_of(chart) if isinstance(mark, Stroke)]
    handles = [Line2D([], [], **_look(mark)) for mark in marks]
    canvas.legend(
        handles=handles, loc="lower center", ncols=5, fontsize=7, frameon=False
    )
    stream = io.BytesIO()
    canvas.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _look(mark: Stroke) -> dict[str, Any]:
    """How a line stands in the legend."""
    return {
        "color": LIGHT[mark.color], "label": mark.name, "markersize": 4,
        "linestyle": _DASHES.get(mark.dash, "-"),
        "marker": SYMBOLS[mark.symbol][0] if mark.symbol else "",
    }  # fmt: skip
