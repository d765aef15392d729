"""Tests of `ui/views/run/entropy.py`."""

import plotly.graph_objects as go
import pytest

from tests.ui.painting import painted
from ui.views.run.entropy import entropy_alt, entropy_figure

HISTOGRAM = {
    "edges": [0.0, 1.0, 2.0],
    "in_distribution": [30, 10],
    "out_of_distribution": [0, 4],
}


def test_both_sets_are_shown_as_shares_over_the_same_bins():
    built = entropy_figure(HISTOGRAM, "Digits", "Patches", "predictive entropy")
    inside, outside = built["data"]
    assert inside["x"] == outside["x"] == [0.5, 1.5]
    assert inside["y"] == pytest.approx([0.75, 0.25])
    assert outside["y"] == pytest.approx([0.0, 1.0])
    assert inside["customdata"] == [30, 10]
    assert (inside["name"], outside["name"]) == ("Digits (in)", "Patches (out)")
    shown = go.Figure(painted(built))
    assert shown.layout.xaxis.title.text == "Predictive entropy, nats"


def test_the_alternative_text_tells_the_scores():
    result = {"score": "predictive entropy", "auroc": 0.9, "fpr95": 0.25}
    assert entropy_alt(result, "Digits", "Patches") == (
        "Histograms of predictive entropy on Digits and on Patches: "
        "AUROC 0.900, FPR95 25.0 %."
    )
