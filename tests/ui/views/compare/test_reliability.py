"""Tests of `ui/views/compare/reliability.py`."""

import pytest

import calibration
from tests.ui.seen import charts, text
from tests.ui.views.compare.examples import family, labels_of, probabilities, run_of


def drawn(open_page, runs="a,b", **query):
    app = open_page("compare", runs=runs, compare="Reliability", **query)
    assert not app.exception
    return app, charts(app)["compare-reliability"]


@pytest.fixture
def both(root):
    return run_of(root, "a"), run_of(root, "b", optimizer="adamw")


def test_the_bins_are_those_of_the_address(open_page, both):
    _, chart = drawn(open_page, compare_bins="8", compare_scheme="Equal mass")
    run, _ = both
    expected = calibration.reliability_diagram(
        probabilities(run), labels_of(run), 8, "mass"
    )
    line = chart["figure"]["data"][1]
    assert line["x"] == pytest.approx(expected.confidence)
    assert line["y"] == pytest.approx(expected.accuracy)
    _, gaps = drawn(open_page, compare_view="Gap")
    title = gaps["figure"]["layout"]["yaxis"]["title"]["text"]
    assert title == "Accuracy less confidence"
    assert gaps["revision"] != chart["revision"]


def test_the_alternative_text_has_the_errors(open_page, both):
    _, chart = drawn(open_page)
    for run, name in zip(both, ("VOGN", "AdamW"), strict=True):
        found = calibration.reliability_diagram(probabilities(run), labels_of(run))
        assert f"{name} {100 * found.ece:.2f} %" in chart["alt"]


def test_what_the_bars_are_is_told(open_page, both, root):
    app, _ = drawn(open_page)
    assert "Bars are 95 % intervals (Wilson)." in text(app)
    family(root, "sgd")
    app, _ = drawn(open_page, "sgd-0,sgd-1,sgd-2", by="seeds")
    assert "bars of one deviation" in text(app)
    assert "Wilson" not in text(app)
