"""What was tried in one picture: a row a stage, its learning curves first."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibration.report.chart import Chart, legend_of
from calibration.report.chart import Line as Stroke
from calibration.report.colors import LIGHT, SYMBOLS
from trainers.runs import write_atomically
from trainers.tuning.asked import Asked
from trainers.tuning.charts import BEST, LOOKS, Picture, pictures
from trainers.tuning.outcome import Played
from trainers.tuning.page import subtitle, title

DPI = 140  # dots an inch
WIDE, TALL = 3.1, 2.75  # inches of a chart with its labels
TOP, BOTTOM = 0.62, 0.42  # inches for the title and for the legend
LEFT, RIGHT, HEAD, FOOT = 0.62, 0.12, 0.3, 0.62  # inches around a chart
SMALL = 7.0  # size of the text
_DASHES: dict[str, Any] = {"dash": "--", "dot": ":", "solid": "-", "": "none"}


def write_picture(path: Path, asked: Asked, played: Sequence[Played]) -> None:
    """Write the picture as PNG, atomically.

    Args:
        path: The file.
        asked: What was asked.
        played: The stages that were reached.
    """
    stream = io.BytesIO()
    figure = draw(asked, played)
    figure.savefig(stream, format="png", metadata={"Software": None})
    write_atomically(path, stream.getvalue())


def draw(asked: Asked, played: Sequence[Played]) -> Any:
    """The picture as a figure of matplotlib's.

    Args:
        asked: What was asked.
        played: The stages that were reached, one of them with trials.
    """
    from matplotlib.figure import Figure as Canvas

    rows = [(p, pictures(p, asked.halving)) for p in played if p.trials]
    wide = WIDE * max(len(row) for _, row in rows)
    tall = TOP + len(rows) * TALL + BOTTOM
    # The object-oriented interface: nothing of pyplot's global state is touched.
    canvas = Canvas(figsize=(wide, tall), dpi=DPI)
    lines = [(title(asked), tall - 0.08, 11.0, "ink")]
    lines += [(subtitle(asked), tall - 0.32, SMALL, "muted")]
    for place, (each, row) in enumerate(rows):
        top = tall - TOP - place * TALL
        lines.append((each.stage.title, top, 9.0, "ink"))
        room = wide / len(row)
        for column, picture in enumerate(row):
            left, bottom = column * room + LEFT, top - TALL + FOOT
            size = (room - LEFT - RIGHT, TALL - HEAD - FOOT)
            rectangle = (left / wide, bottom / tall, size[0] / wide, size[1] / tall)
            _draw(canvas.add_axes(rectangle), picture.chart, size)
    for text, height, points, color in lines:
        canvas.text(
            0.1 / wide, height / tall, text, fontsize=points, color=LIGHT[color],
            va="top", weight="bold" if points == 9 else "normal", parse_math=False,
        )  # fmt: skip
    _legend(canvas, [picture for _, row in rows for picture in row])
    return canvas


def _draw(axes: Any, chart: Chart, size: tuple[float, float]) -> None:
    from calibration.report.pages.charts import draw_panel

    (panel,) = chart.panels
    axes.set_yscale("log")  # before there are limits, which might be below 0
    draw_panel(axes, chart.x, panel, (size[0] * 72, size[1] * 72))
    axes.minorticks_off()
    axes.set_yticks([*panel.y.ticks], [*panel.y.ticks.values()], fontsize=SMALL - 0.5)
    labels = [*chart.x.ticks.values()]
    if sum(map(len, labels)) <= 36:
        axes.tick_params("x", rotation=0)
    best = LIGHT[BEST[0]]
    for drawn in axes.lines:
        if drawn.get_color() == best and drawn.get_marker() not in ("", "None", None):
            drawn.set(markersize=8, zorder=5)


def _legend(canvas: Any, drawn: Sequence[Picture]) -> None:
    """One legend for all, each entry once: points, most epochs first, then lines."""
    from matplotlib.lines import Line2D

    marks = {
        mark.name: mark
        for each in drawn
        for mark in legend_of(each.chart)
        if isinstance(mark, Stroke)
    }
    looks = {color: place for place, (color, _) in enumerate(LOOKS)}
    ordered = sorted(
        marks.values(), key=lambda mark: (not mark.symbol, looks.get(mark.color, 9))
    )
    handles = [
        Line2D(
            [], [], color=LIGHT[mark.color], label=mark.name, markersize=5,
            linestyle=_DASHES[mark.dash],
            marker=SYMBOLS[mark.symbol][0] if mark.symbol else "",
        )
        for mark in ordered
    ]  # fmt: skip
    canvas.legend(
        handles=handles, loc="lower center", ncols=8, fontsize=SMALL + 0.5,
        frameon=False,
    )  # fmt: skip
