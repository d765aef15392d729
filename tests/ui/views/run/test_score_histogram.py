"""Tests of `ui/views/run/score_histogram.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest

from calibration import ScoreHistogram
from tests.ui.painting import painted
from ui.views.run.score_histogram import histogram_figure

HISTOGRAM = ScoreHistogram(
    edges=np.array([0.0, 1.0, 2.0]),
    in_distribution=np.array([30, 10]),
    out_of_distribution=np.array([0, 4]),
)


def built(**options):
    return histogram_figure(HISTOGRAM, "Digits", "Patches", "Entropy, nats", **options)


def test_both_sets_are_shown_as_shares_over_the_same_bins():
    inside, outside = built()["data"]
    assert inside["x"] == outside["x"] == [0.5, 1.5]
    assert inside["y"] == pytest.approx([0.75, 0.25])
    assert outside["y"] == pytest.approx([0.0, 1.0])
    assert inside["customdata"] == [30, 10]
    assert (inside["name"], outside["name"]) == ("Digits (in)", "Patches (out)")
    shown = go.Figure(painted(built()))
    assert shown.layout.xaxis.title.text == "Entropy, nats"
    assert "shapes" not in built()["layout"]


def test_names_are_text():
    drawn = histogram_figure(HISTOGRAM, "<b>in</b>", "%{x}", "Entropy, nats")["data"]
    names = [trace["name"] for trace in drawn]
    assert names == ["&lt;b&gt;in&lt;/b&gt; (in)", "% {x} (out)"]


def test_the_threshold_is_a_line():
    shown = go.Figure(painted(built(threshold=1.25, log=True)))
    assert shown.layout.shapes[0].x0 == shown.layout.shapes[0].x1 == 1.25
    assert "flagged from 1.25" in shown.layout.annotations[0].text
    assert shown.layout.yaxis.type == "log"
