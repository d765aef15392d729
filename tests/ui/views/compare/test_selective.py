"""Tests of `ui/views/compare/selective.py`."""

import calibration
from tests.ui.seen import charts, text
from tests.ui.views.compare.examples import labels_of, probabilities, run_of
from ui.components.predictions import part


def test_curves_come_with_their_areas(open_page, root):
    run = run_of(root, "a")
    run_of(root, "b", optimizer="adamw", sharp=1.5)
    app = open_page("compare", runs="a,b", compare="Risk and coverage")
    assert not app.exception
    area = calibration.area_under_risk_coverage(probabilities(run), labels_of(run))
    (table,) = (item.value for item in app.table)
    assert table["AURC\u00a0↓"][0].startswith(f"**{100 * area:.2f}")
    assert f"VOGN {100 * area:.2f} %" in charts(app)["compare-risk"]["alt"]
    assert "Bands are" not in text(app)
    app.selectbox(key="compare_certainty").select("mutual_information").run()
    by = part(run).mutual_information
    area = calibration.area_under_risk_coverage(probabilities(run), labels_of(run), by)
    assert f"VOGN {100 * area:.2f} %" in charts(app)["compare-risk"]["alt"]
    assert "**AdamW** (one set of weights has no mutual information)" in text(app)


def test_without_predictions_there_is_nothing(open_page, root):
    run_of(root, "a", evaluated=False)
    app = open_page("compare", runs="a", compare="Risk and coverage")
    assert not app.exception
    assert "None of these has predictions yet." in text(app)
    assert not charts(app)
