"""Tests of `ui/components/axes.py`."""

import pytest

from ui.components.axes import EPOCH, STEP, TIME, Axes, longest_of

ROW = {"kind": "step", "step": 40, "epoch": 0.5, "seconds": 90.25}


@pytest.mark.parametrize(
    ("axes", "place"),
    [
        (Axes(STEP), 40),
        (Axes(EPOCH), 0.5),
        (Axes(TIME, longest=100.0), 90.25),
        (Axes(TIME, log_x=True, longest=100.0), 90.25),
        (Axes(TIME, log_x=True, longest=3000.0), 90.25 / 60),
        (Axes(TIME, longest=100_000.0), 90.25 / 3600),
    ],
)
def test_a_row_stands_where_its_axis_counts(axes, place):
    assert axes.place(ROW) == pytest.approx(place)
    assert axes.place({"kind": "step"}) is None


def test_a_clock_shows_hours_and_minutes_that_plotly_takes_for_a_date():
    axes = Axes(TIME, longest=7300.0)
    assert axes.written([90.25, 7265.0]) == [
        "1970-01-01 00:01:30.250",
        "1970-01-01 02:01:05.000",
    ]
    shown = axes.horizontal()
    assert shown["type"] == "date"
    assert shown["tickformatstops"][-1]["value"] == "%-H:%M"
    assert "range" not in shown  # one that grows would undo a zoom


def test_a_day_is_too_long_for_a_clock():
    axes = Axes(TIME, longest=86_400.0)
    assert axes.written([1.5]) == [1.5]
    assert axes.horizontal()["title"]["text"] == "Training time (hours)"


def test_log_axes_leave_out_what_suits_linear_ones_alone():
    shown = Axes(log_y=True).vertical(rangemode="tozero", tickformat=".1%")
    assert shown["type"] == "log"
    assert shown["tickformat"] == ".1%"
    assert "rangemode" not in shown
    assert Axes().vertical(rangemode="tozero")["rangemode"] == "tozero"
    assert Axes(log_x=True).horizontal()["type"] == "log"
    assert Axes().horizontal()["rangemode"] == "tozero"


def test_a_zoom_holds_as_long_as_it_means_the_same():
    same = {Axes(smoothing=0.1).revision, Axes(longest=5.0).revision, Axes().revision}
    assert len(same) == 1
    assert Axes(TIME, longest=5.0).revision == Axes(TIME, longest=9000.0).revision
    others = [
        Axes(), Axes(EPOCH), Axes(TIME), Axes(TIME, longest=90_000.0),
        Axes(log_x=True), Axes(log_y=True),
        Axes(TIME, log_x=True, longest=1.0), Axes(TIME, log_x=True, longest=500.0),
    ]  # fmt: skip
    assert len({axes.revision for axes in others}) == len(others)


def test_the_longest_is_the_newest_time_that_is_told():
    assert longest_of([ROW, {"kind": "epoch", "seconds": None}]) == 90.25
    assert longest_of([]) == 0.0
