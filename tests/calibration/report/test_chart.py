"""Tests of charts as data."""

from calibration.report.chart import (
    Axis,
    Band,
    Chart,
    Line,
    Panel,
    legend_of,
)


def test_a_legend_has_each_name_once_and_not_what_is_left_out():
    marks = [
        Line(name="a", x=[0], y=[0]),
        Line(name="hidden", x=[0], y=[0], legend=False),
        Band(name="b", x=[0], low=[0], high=[1]),
    ]
    panels = [Panel(marks=marks, y=Axis()), Panel(marks=marks[:1], y=Axis())]
    chart = Chart(panels=panels, x=Axis())
    assert [mark.name for mark in legend_of(chart)] == ["a", "b"]
    assert legend_of(Chart(panels=panels, x=Axis(), legend=False)) == []
