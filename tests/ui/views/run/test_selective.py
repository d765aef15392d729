"""Tests of `ui/views/run/selective.py`, on the page that shows it."""

import numpy as np
import pytest

from calibration.report.measuring.selective import selective
from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from ui.views.run.selective import ranked


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def reported(run):
    with np.load(run.predictions) as file:
        return selective(file["probabilities"].mean(0, np.float64), file["labels"])


def test_numbers_are_those_of_the_report(run):
    found, expected = ranked(run, "max_probability"), reported(run)
    for name, value in expected.areas.items():
        mine = found.areas[name]
        assert float(mine) == pytest.approx(float(value), abs=1e-12)
        assert (mine.low, mine.high) == pytest.approx((value.low, value.high))
    assert found.oracle == expected.oracle_area
    band = dict(found.band)
    for share in (0.5, 0.8, 0.95):
        assert band[share] == expected.risk_at_coverage[f"{100 * share:g}"]


def test_the_page_tells_both_decisions(open_page, run):
    app = open_page("run", run="a", tab="Selective prediction")
    assert not app.exception
    assert not app.error
    expected = reported(run)
    covered, risked = (
        expected.coverage_at_risk["5"], expected.risk_at_coverage["80"],
    )  # fmt: skip
    assert metrics(app)["Answers"] == f"{100 * covered:.2f} %"
    assert metrics(app)["Errors among them"] == f"{100 * risked:.2f} %"
    drawn = {t["name"]: t for t in charts(app)["sel-curve"]["figure"]["data"]}
    assert drawn["At most 5 % errors"]["x"] == [pytest.approx(float(covered))]
    assert drawn["80 % answered"]["y"] == [pytest.approx(float(risked))]


def test_decisions_come_from_the_address(open_page, run):
    app = open_page(
        "run", run="a", tab="Selective prediction", sel_risk="2", sel_coverage="50",
        sel_by="Mutual information",
    )  # fmt: skip
    assert not app.exception
    drawn = {t["name"] for t in charts(app)["sel-curve"]["figure"]["data"]}
    assert {"At most 2 % errors", "50 % answered"} <= drawn
    assert "mutual information" in charts(app)["sel-curve"]["alt"]


@pytest.mark.parametrize(
    "bad",
    [
        {"sel_risk": "-1", "sel_coverage": "0", "sel_by": "luck"},
        {"sel_risk": "x", "sel_coverage": "1e9", "sel_promised": "100"},
    ],
)
def test_bad_choices_in_the_address_are_not_taken(open_page, run, bad):
    app = open_page("run", run="a", tab="Selective prediction", **bad)
    assert not app.exception
    drawn = {t["name"] for t in charts(app)["sel-curve"]["figure"]["data"]}
    assert {"At most 5 % errors", "80 % answered"} <= drawn


def test_a_field_changes_the_answer(open_page, run):
    app = open_page("run", run="a", tab="Selective prediction")
    before = metrics(app)["Answers"]
    app.number_input(key="sel_risk").set_value(50.0).run()
    assert metrics(app)["Answers"] == "100.00 %" != before


def test_one_set_of_weights_cannot_be_ranked_by_disagreement(open_page, root):
    fakes.write_run(root, "b", optimizer="sgd", evaluated=True)
    app = open_page("run", run="b", tab="Selective prediction")
    assert not app.exception
    assert list(app.selectbox(key="sel_by").options) == [
        "Maximum probability", "Predictive entropy",
    ]  # fmt: skip
    assert "one set of weights" in text(app)


def test_damaged_predictions_cost_the_tab_only(open_page, run):
    run.predictions.write_bytes(b"PK")
    app = open_page("run", run="a", tab="Selective prediction")
    assert not app.exception
    assert "Selective prediction cannot be shown" in errors(app)
    assert "Conformal sets cannot be shown" in errors(app)
