"""Tests of `ui/views/run/reliability.py`."""

import plotly.graph_objects as go
import pytest

from tests.ui.painting import painted
from ui.views.run.reliability import reliability_alt, reliability_figure

BINS = [
    {"lower": 0.4, "upper": 0.6, "count": 10, "confidence": 0.5, "accuracy": 0.6,
     "accuracy_low": 0.3, "accuracy_high": 0.8},
    {"lower": 0.8, "upper": 1.0, "count": 1200, "confidence": 0.9, "accuracy": 0.8,
     "accuracy_low": 0.78, "accuracy_high": 0.82},
]  # fmt: skip


def traces():
    return {trace["name"]: trace for trace in reliability_figure(BINS)["data"]}


def test_plotly_accepts_the_diagram():
    shown = go.Figure(painted(reliability_figure(BINS)))
    assert shown.layout.xaxis.anchor == "y2"  # one axis for both panels


def test_accuracy_carries_its_interval():
    drawn = traces()["Accuracy, 95 % interval"]
    assert drawn["x"] == [0.5, 0.9]
    assert drawn["error_y"]["array"] == pytest.approx([0.2, 0.02])
    assert drawn["error_y"]["arrayminus"] == pytest.approx([0.3, 0.02])


def test_counts_stand_below_with_their_numbers():
    drawn = traces()["Examples"]
    assert (drawn["yaxis"], drawn["text"]) == ("y2", ["10", "1,200"])


def test_gaps_reach_from_confidence_to_accuracy():
    drawn = traces()["Gap to confidence"]
    ends = [base + y for base, y in zip(drawn["base"], drawn["y"], strict=True)]
    assert ends == pytest.approx([0.6, 0.8])


def test_the_axis_starts_where_the_bins_do():
    assert reliability_figure(BINS)["layout"]["xaxis"]["range"][0] == pytest.approx(
        0.395
    )


def test_the_alternative_text_counts():
    told = reliability_alt(BINS, 0.1)
    assert "1,210 test examples in 2 bins" in told
    assert "10.00 %; 99 % of the examples lie in overconfident bins" in told
