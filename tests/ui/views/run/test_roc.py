"""Tests of `ui/views/run/roc.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest

from calibration import Estimate, precision_recall_curve, roc_curve
from tests.ui.painting import painted
from ui.views.run.detection import Flagged
from ui.views.run.roc import POINT, precision_recall_figure, roc_figure

INSIDE, OUTSIDE = np.arange(10.0), np.arange(5.0, 25.0)


def share(value):
    return Estimate(value, low=0.0, high=1.0, count=10, method="Wilson")


FLAGGED = Flagged(7.0, 18, 3, share(0.9), share(0.3), share(18 / 21))
NOTHING = Flagged(99.0, 0, 0, share(0.0), share(0.0), None)


def named(built):
    return {trace["name"]: trace for trace in built["data"]}


def test_the_roc_has_the_point_of_the_threshold():
    curve = roc_curve(INSIDE, OUTSIDE)
    built = roc_figure(curve, FLAGGED)
    go.Figure(painted(built))
    drawn = named(built)
    assert (drawn[POINT]["x"], drawn[POINT]["y"]) == ([0.3], [0.9])
    assert drawn["ROC"]["x"] == curve.false_positive_rate.tolist()
    points = zip(drawn["ROC"]["x"], drawn["ROC"]["y"], strict=True)
    assert (0.3, 0.9) in [(pytest.approx(x), pytest.approx(y)) for x, y in points]


def test_precision_has_its_level_of_chance():
    curve = precision_recall_curve(INSIDE, OUTSIDE)
    built = precision_recall_figure(curve, FLAGGED, 2 / 3)
    go.Figure(painted(built))
    drawn = named(built)
    assert drawn["Chance"]["y"] == [2 / 3, 2 / 3]
    assert (drawn[POINT]["x"], drawn[POINT]["y"]) == ([0.9], [18 / 21])
    assert drawn["Precision"]["y"] == curve.precision.tolist()


def test_nothing_flagged_has_no_precision():
    curve = precision_recall_curve(INSIDE, OUTSIDE)
    assert POINT not in named(precision_recall_figure(curve, NOTHING, 0.5))
