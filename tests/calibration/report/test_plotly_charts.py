"""Tests of charts as data of plotly.js."""

import json

import pytest

from calibration.report.chart import Axis, Band, Bars, Chart, Line, Panel
from calibration.report.plotly_charts import plain, plotly_figure

EVIL = "<script>alert(1)</script> %{x} $x$ &amp;"


@pytest.fixture
def figure():
    marks = [
        Line(
            name=EVIL, x=[0, 1], y=[0.2, 0.4], low=[0.1, 0.1], high=[0.5, 0.6],
            color="model-3", symbol="circle",
        ),
        Band(name="band", x=[0, 1], low=[0, 0], high=[1, 1]),
    ]  # fmt: skip
    bars = Bars(name="bars", x=[0.5], widths=[1], heights=[-0.1], bases=[0.5])
    panels = [
        Panel(marks=marks, y=Axis(title=EVIL, percent=True), share=3),
        Panel(marks=[bars], y=Axis(low=0)),
    ]
    x = Axis(low=0, high=1, ticks={0.0: EVIL})
    return plotly_figure(Chart(panels=panels, x=x, height=400))


def test_text_of_the_data_can_hold_no_tag_no_template_and_no_formula(figure):
    text = json.dumps(figure)
    assert "<script" not in text
    assert "%{x} " not in text
    assert "$x" not in text
    assert figure["layout"]["xaxis"]["ticktext"] == [plain(EVIL)]


def test_panels_share_one_axis_and_do_not_overlap(figure):
    layout = figure["layout"]
    assert layout["xaxis"]["anchor"] == "y2"
    (low, high), (lower, upper) = (
        layout[name]["domain"] for name in ("yaxis", "yaxis2")
    )
    assert (lower, high) == (0, 1)
    assert upper < low
    assert high - low == pytest.approx(3 * (upper - lower))


def test_colours_are_roles(figure):
    line, band, bars = figure["data"]
    assert line["line"]["color"] == line["marker"]["color"] == "@model-3"
    assert band["fillcolor"] == "@ink/0.18"
    assert bars["marker"]["color"] == "@ink/0.6"


def test_error_bars_reach_the_ends_of_the_interval(figure):
    bars = figure["data"][0]["error_y"]
    assert bars["array"] == pytest.approx([0.3, 0.2])
    assert bars["arrayminus"] == pytest.approx([0.1, 0.3])


def test_bars_stand_on_their_bases(figure):
    assert figure["data"][2]["base"] == [0.5]
    assert figure["data"][2]["y"] == [-0.1]
    assert figure["layout"]["yaxis2"]["rangemode"] == "tozero"


def test_an_axis_may_be_logarithmic():
    line = Line(name="a", x=[0.1, 1.0], y=[1, 2])
    x = Axis(title="t", log=True, ticks={0.1: "0.1", 1.0: "1"})
    made = plotly_figure(Chart(panels=[Panel(marks=[line], y=Axis())], x=x))
    axis = made["layout"]["xaxis"]
    assert (axis["type"], axis["tickvals"]) == ("log", [0.1, 1.0])
    assert "range" not in axis
    assert "type" not in made["layout"]["yaxis"]
