"""Tests of `ui/views/compare/strokes.py`."""

from dataclasses import replace

import numpy as np

from tests.ui.views.compare.examples import entries_of, run_of
from ui.components.series import MAX_POINTS
from ui.views.compare.spread import stacked
from ui.views.compare.strokes import faint, label, mean, stroke


def entry_of(root):
    return entries_of(run_of(root, "a", evaluated=False))[0]


def test_a_line_has_the_look_of_its_entry_and_no_markup_in_its_name(root):
    entry = replace(entry_of(root), name="<b>%{y}</b>", place=2)
    assert label(entry) == "&lt;b&gt;% {y}&lt;/b&gt;"
    made = stroke(entry, [1, 2], [0.5, None], "%{y}")
    assert made["name"] == label(entry)
    assert made["line"]["color"] == made["marker"]["color"] == entry.color == "@3"
    assert made["line"]["dash"] == entry.dash == "dot"
    assert made["hovertemplate"] == "%{y}"  # the name, which is foreign, is not in it
    assert faint(entry, [1], [2.0])["line"]["color"] == "@3/0.45"


def test_a_mean_has_a_band_of_one_deviation(root):
    values = np.array([[1.0, 2.0], [3.0, 2.0]])
    ribbon, line = mean(entry_of(root), stacked([0, 1], values), ".2f")
    assert line["y"] == [2.0, 2.0]
    deviation = 2**0.5
    assert ribbon["y"] == [2 + deviation, 2.0, 2.0, 2 - deviation]
    assert ribbon["x"] == [0.0, 1.0, 1.0, 0.0]
    assert line["text"] == [" ± 1.41, n = 2", " ± 0, n = 2"]


def test_one_run_has_no_band(root):
    (line,) = mean(entry_of(root), stacked([0, 1], [[1.0, np.nan]]), ".2f")
    assert line["y"] == [1.0, None]


def test_a_band_on_a_log_axis_stays_above_zero(root):
    band = stacked([0], [[1.0], [9.0], [0.1]])
    ribbon, _ = mean(entry_of(root), band, ".2f", log=True)
    assert min(ribbon["y"]) == band.mean[0] / 10


def test_no_trace_is_too_long(root):
    entry, long = entry_of(root), np.zeros((2, 30_000))
    for trace in mean(entry, stacked(np.arange(30_000), long), ".2f"):
        assert len(trace["x"]) <= MAX_POINTS
    assert len(faint(entry, range(30_000), [0.0] * 30_000)["x"]) <= MAX_POINTS
