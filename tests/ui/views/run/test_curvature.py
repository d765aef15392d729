"""Tests of `ui/views/run/curvature.py`."""

import plotly.graph_objects as go
import pytest

from tests.ui import fakes
from tests.ui.painting import painted
from trainers.runs import Run, read_metrics
from ui.components.axes import Axes
from ui.views.run.curvature import curvature_curves


@pytest.fixture
def rows(tmp_path):
    run = Run(tmp_path)
    fakes.write_metrics(run, range(0, 301, 10), bayesian=False, curvature=True)
    return read_metrics(run)[0]


def test_there_is_a_panel_for_each_figure(rows):
    shown = curvature_curves(rows, Axes(smoothing=0.0))
    assert [curve.key for curve in shown] == [
        "refreshed", "intervals", "inverses", "damping",
    ]  # fmt: skip
    share = shown[0].figure["data"][0]
    told = [row["refreshed_share"] for row in rows if "refreshed_share" in row]
    assert share["y"] == told
    assert share["x"] == list(range(0, 301, 10))


def test_every_panel_is_one_that_plotly_accepts(rows):
    for curve in curvature_curves(rows):
        go.Figure(painted(curve.figure))


def test_the_time_is_told_in_milliseconds_and_gaps_stay():
    rows = [
        {"kind": "step", "step": 1, "inverse_seconds": 0.25},
        {"kind": "step", "step": 2, "inverse_seconds": None},
    ]
    (curve,) = curvature_curves(rows)
    assert curve.figure["data"][0]["y"] == [250, None]
    assert "now 250 ms" in curve.alt


def test_the_intervals_of_statistics_and_inverses_share_a_panel():
    rows = [{"kind": "step", "step": 1, "factor_interval": 4, "inverse_interval": 9}]
    (curve,) = curvature_curves(rows)
    assert [trace["y"] for trace in curve.figure["data"]] == [[4], [9]]
    assert "Factors now 4, Inverses now 9" in curve.alt


def test_alternative_texts_tell_the_newest_values():
    rows = [{"kind": "step", "step": 1, "refreshed_share": 0.25, "damping": 1e-3}]
    shared, damping = curvature_curves(rows)
    assert "now 25.0 %" in shared.alt
    assert "now 0.001" in damping.alt


def test_other_optimizers_have_no_panel(tmp_path):
    run = Run(tmp_path)
    fakes.write_metrics(run, range(0, 301, 10), bayesian=True)
    assert curvature_curves(read_metrics(run)[0]) == []
    assert curvature_curves([]) == []
