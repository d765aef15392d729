"""Tests of charts as data."""

from calibration.report.chart import (
    MAX_POINTS,
    Axis,
    Band,
    Chart,
    Line,
    Panel,
    legend_of,
    thinned,
)


def test_a_long_curve_is_thinned_and_keeps_both_ends():
    x = [i / 9999 for i in range(10_000)]
    thin_x, thin_y = thinned(x, [2 * value for value in x])
    assert len(thin_x) == len(thin_y) == MAX_POINTS
    assert (thin_x[0], thin_x[-1], thin_y[-1]) == (0, 1, 2)
    assert thin_x == sorted(set(thin_x))


def test_a_short_curve_is_left_alone():
    assert thinned([1, 2], [3, 4]) == [[1, 2], [3, 4]]


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
