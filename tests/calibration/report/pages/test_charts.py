"""Tests of charts drawn by matplotlib."""

import pytest

from calibration.report.chart import Axis, Band, Bars, Chart, Line, Panel
from calibration.report.colors import LIGHT
from calibration.report.pages.charts import draw_chart, draw_legend, legend_rows
from calibration.report.pages.sheet import Sheets

MARKS = [
    Line(name="$a$", x=[0, 1], y=[0, 1], low=[0, 0.9], high=[0.1, 1], color="model-2"),
    Band(name="_band", x=[0, 1], low=[0, 0], high=[1, 1]),
    Bars(name="bars", x=[0.5], widths=[0.2], heights=[-0.3], bases=[0.8]),
]


def chart(**changes):
    panels = [
        Panel(marks=MARKS, y=Axis(title="Share $y$", low=0, high=1, percent=True)),
        Panel(marks=MARKS[2:], y=Axis(title="Count", low=0), share=0.5),
    ]
    return Chart(panels=panels, x=Axis(title="x", low=0, high=1, **changes))


def drawn(made, width=400, height=250):
    sheets = Sheets()
    draw_chart(sheets, made, 60, width, height)
    page = sheets.pages[0]
    page.canvas.draw()
    return page


def test_panels_share_their_axis_and_lie_in_their_rectangle():
    upper, lower = drawn(chart()).axes
    assert upper.get_xlim() == lower.get_xlim() == (0, 1)
    assert upper.get_position().y0 > lower.get_position().y1
    assert lower.get_xlabel() == "x"
    assert not upper.get_xlabel()


def test_marks_have_their_colours_and_places():
    upper = drawn(chart()).axes[0]
    assert upper.lines[0].get_color() == LIGHT["model-2"]
    (bar,) = upper.patches
    assert (bar.get_y(), bar.get_height()) == pytest.approx((0.8, -0.3))


def test_shares_are_read_as_per_cent():
    labels = [each.get_text() for each in drawn(chart()).axes[0].get_yticklabels()]
    assert "50%" in labels


def test_foreign_labels_are_shown_as_they_are():
    made = chart(ticks={0.0: "$\\x$", 1.0: "layer"})
    lower = drawn(made).axes[1]
    labels = lower.get_xticklabels()
    assert [label.get_text() for label in labels] == ["$\\x$", "layer"]
    assert not any(label.get_parse_math() for label in labels)


def test_all_labels_lie_inside_the_rectangle():
    made = chart(ticks={0.0: "layer1.conv1.weight", 1.0: "layer2.conv1.weight"})
    page = drawn(made, 300, 200)
    scale = 72 / page.dpi
    for axes in page.axes:
        box = axes.get_tightbbox()
        assert box.x0 * scale >= 58
        assert box.x1 * scale <= 362
        assert 841.89 - box.y0 * scale <= 46 + 202


def test_a_legend_breaks_where_the_room_ends():
    assert [len(row) for row in legend_rows(chart(), 500)] == [3]
    assert [len(row) for row in legend_rows(chart(), 60)] == [1, 1, 1]
    sheets = Sheets()
    before = sheets.y
    draw_legend(sheets, chart(), 50, 60)
    assert sheets.y > before + 30
    assert [text.get_text() for text in sheets.pages[0].texts] == [
        "$a$",
        "_band",
        "bars",
    ]


def test_an_axis_may_be_logarithmic():
    line = Line(name="a", x=[0.1, 1.0, 10.0], y=[1, 2, 3])
    x = Axis(log=True, ticks={0.1: "0.1", 1.0: "1", 10.0: "10"})
    (axes,) = drawn(Chart(panels=[Panel(marks=[line], y=Axis())], x=x)).axes
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == "linear"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "1", "10"]
