"""Tests of `ui/views/run/prediction_sets.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest

from calibration import evaluate_sets, predictive
from calibration.report.measuring import fitted as measuring
from tests.ui import fakes
from tests.ui.painting import painted
from tests.ui.seen import charts, text
from trainers.report import run_predictions
from ui.views.run.prediction_sets import (
    MAX_CLASSES,
    classes_figure,
    conformal_sets,
    sets_table,
    sizes_figure,
    worst_first,
)

NAMES = [f"*{k}*" for k in range(10)]


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def test_sets_are_those_of_the_report(run):
    (given,) = run_predictions([run])
    parts = measuring.halves(given, predictive(given.probabilities), given.labels)
    section = measuring.conformal(parts)
    for row in section.rows:
        found = conformal_sets(run, round(100 * row.promised))
        each = found.reports[row.method]
        assert each.coverage == row.coverage
        assert each.mean_size == row.size
        assert each.empty == row.empty
    assert found.num_fitted == section.num_fitted == 200
    assert found.sentence == section.fitted_on


def test_the_table_names_the_worst_class(run):
    found = conformal_sets(run, 90)
    rows = sets_table(found, NAMES)
    assert [row["Method"] for row in rows] == ["**THR**", "**APS**", "**RAPS**"]
    for row, each in zip(rows, found.reports.values(), strict=True):
        worst = each.worst_class_coverage
        index = each.class_coverage.index(worst)
        assert row["Worst class"].startswith(rf"\*{index}\*: {100 * worst:.1f} %")
        assert row["Coverage"].startswith(f"{100 * each.coverage:.1f} %")


def test_sizes_are_shares_of_each_method(run):
    built = sizes_figure(conformal_sets(run, 95))
    go.Figure(painted(built))
    for trace in built["data"]:
        assert sum(trace["y"]) == pytest.approx(1)
        assert sum(trace["customdata"]) == 360


def test_classes_stand_worst_first_and_are_not_too_many():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 50, 900)
    report = evaluate_sets(generator.uniform(size=(900, 50)) < 0.7, labels)
    built = classes_figure(report, [f"c{k}" for k in range(50)], 0.7)
    go.Figure(painted(built))
    line, dots = built["data"]
    assert line["y"] == [0.7, 0.7]
    assert len(dots["y"]) == MAX_CLASSES
    assert dots["y"] == sorted(dots["y"])
    assert dots["y"][0] == float(report.worst_class_coverage)


def test_a_class_that_no_set_holds_is_the_worst_and_one_without_examples_is_none():
    labels = np.repeat([0, 1], 30)  # of three classes
    sets = np.zeros((60, 3), bool)
    sets[:, 0] = True
    report = evaluate_sets(sets, labels)
    built = classes_figure(report, ["<b>a</b>", "b" * 40, "c"], 0.9)
    assert built["data"][1]["y"] == [0.0, 1.0]
    shown = ["b" * 19 + "…", "&lt;b&gt;a&lt;/b&gt;"]
    assert built["layout"]["xaxis"]["ticktext"] == shown
    assert [name for name, _ in built["data"][1]["customdata"]] == shown
    assert [k for _, k in worst_first(report)] == [1, 0]


def test_the_page_has_the_level_and_the_method_of_the_address(open_page, run):
    app = open_page(
        "run", run="a", tab="Selective prediction", sel_promised="95", sel_sets="APS"
    )
    assert not app.exception
    line = charts(app)["sel-classes"]["figure"]["data"][0]
    assert line["y"] == [0.95, 0.95]
    assert "Coverage by class, APS" in text(app)
    assert "200 set the thresholds, 360 were judged" in text(app)


def test_too_few_examples_say_so(open_page, run):
    with np.load(run.predictions) as file:
        arrays = {k: v for k, v in file.items() if not k.startswith("validation")}
    arrays["probabilities"] = arrays["probabilities"][:, :30]
    arrays["labels"] = arrays["labels"][:30]
    np.savez(run.predictions, **arrays)
    app = open_page("run", run="a", tab="Selective prediction")
    assert not app.exception
    assert "too few examples to fit sets" in text(app)
