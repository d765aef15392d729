"""Tests of `ui/views/run/risk_coverage.py`."""

import numpy as np
import plotly.graph_objects as go

from calibration import Estimate, risk_coverage_curve
from tests.ui.painting import painted
from ui.views.run.risk_coverage import risk_coverage_figure

GENERATOR = np.random.default_rng(0)
ROWS = GENERATOR.dirichlet(np.ones(4), 300)
LABELS = np.where(GENERATOR.uniform(size=300) < 0.7, ROWS.argmax(1), 0)
CURVE = risk_coverage_curve(ROWS, LABELS)
BAND = [
    (x, Estimate(0.2, low=0.1 * x, high=0.5, count=300, method="bootstrap"))
    for x in (0.5, 1.0)
]


def test_the_curve_stands_between_its_references():
    built = risk_coverage_figure(CURVE, BAND, [("80 % answered", 0.8, 0.2)])
    go.Figure(painted(built))
    drawn = {trace["name"]: trace for trace in built["data"]}
    assert drawn["Risk"]["y"] == CURVE.risk.tolist()
    assert drawn["Oracle: errors first"]["y"] == CURVE.oracle.tolist()
    assert drawn["Random choice"]["y"] == [CURVE.random] * 2
    assert drawn["95 % interval"]["y"] == [0.5, 0.5]
    assert drawn["Lower end"]["y"] == [0.05, 0.1]
    assert drawn["80 % answered"]["x"] == [0.8]
    assert built["layout"]["yaxis"]["range"][1] > 0.5


def test_a_faultless_network_has_a_curve_too():
    curve = risk_coverage_curve(ROWS, ROWS.argmax(1))
    go.Figure(painted(risk_coverage_figure(curve, [])))
