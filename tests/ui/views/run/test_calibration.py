"""Tests of `ui/views/run/calibration.py`, on the page that shows it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from calibration import headline
from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers.runs import read_json
from ui.views.run import calibration, recalibration
from ui.views.run.calibration import CLICK, Choice, _fitted, _take


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def tables(app):
    return [table.value for table in app.table]


def images(app):
    return sum(item.value.count("<img") for item in app.get("html"))


def trace(app, name):
    drawn = charts(app)["reliability"]["figure"]["data"]
    return next(each for each in drawn if each["name"] == name)


def test_the_numbers_are_those_of_the_evaluation(open_page, run):
    app = open_page("run", run="a", tab="Calibration")
    assert not app.exception
    assert not app.error
    content = read_json(run.evaluation)
    drawn = trace(app, "Accuracy, 95 % interval")
    bins = content["reliability"]["bins"]
    assert drawn["y"] == pytest.approx([each["accuracy"] for each in bins])
    assert drawn["x"] == pytest.approx([each["confidence"] for each in bins])
    table = tables(app)[0].set_index("Measure")["Value (95 % interval)"]
    metrics = content["metrics"]
    assert table["ECE ↓"].startswith(f"{100 * metrics['ece']:.2f} % ")
    assert table["NLL ↓"].startswith(f"{metrics['nll']:.4f} ")
    assert table["MCE ↓"].startswith(f"{100 * metrics['mce']:.2f} % ")
    assert "360 examples" in text(app)
    assert "confident on average" in text(app) or "confident:**" in text(app)


def test_choices_come_from_the_address_and_change_what_is_drawn(open_page, run):
    app = open_page(
        "run", run="a", tab="Calibration", cal_bins="7", cal_scheme="Equal mass",
        cal_class="3", cal_method="Temperature scaling", cal_log="true",
    )  # fmt: skip
    assert not app.exception
    layout = charts(app)["reliability"]["figure"]["layout"]
    assert layout["xaxis"]["title"]["text"] == "Probability of 3"
    assert layout["yaxis"]["title"]["text"] == "Share that is 3"
    assert layout["yaxis2"]["type"] == "log"
    assert "over 7 bins of equal mass" in text(app)
    names = [t["name"] for t in charts(app)["reliability"]["figure"]["data"]]
    assert names[1] == "Before"
    assert names[2].startswith("Temperature scaling, T = ")
    assert "Paired difference" in tables(app)[0]
    with np.load(run.predictions) as file:
        given = file["probabilities"], file["labels"]
    ece = headline(*given, 7)["ece"]
    row = tables(app)[0].set_index("Measure").loc["ECE ↓"]
    assert row["Before (95 % interval)"].startswith(f"{100 * ece:.2f} %")


def test_nothing_is_fitted_before_somebody_asks(open_page, run, monkeypatch):
    fit, asked = recalibration._fitted, []

    def counting(*given):
        asked.append(given)
        return fit(*given)

    monkeypatch.setattr(recalibration, "_fitted", counting)
    app = open_page("run", run="a", tab="Calibration")
    assert len(app.selectbox(key="cal_method").options) == 7
    assert len(tables(app)) == 1
    assert not asked
    app.session_state["cal_all"] = True
    app.run()
    assert "As predicted" in str(tables(app)[1]["Method"].tolist())
    assert asked


def test_a_method_that_cannot_be_fitted_is_left_out_with_the_reason(monkeypatch):
    told, choice = [], Choice(15, "width", -1, "matrix", log=False)
    monkeypatch.setattr(calibration.st, "info", lambda text, icon: told.append(text))
    found = SimpleNamespace(results={}, left_out={"matrix": "takes 100 classes"})
    for each in (found, None):
        monkeypatch.setattr(calibration, "fitted", lambda run, each=each: each)
        assert _fitted(None, choice) == (replace(choice, method="none"), None)
    matrix = r"Matrix scaling \(ODIR\) is left out\: takes 100 classes."
    assert told == [matrix, "There are too few examples to fit a recalibration."]


def test_fields_change_what_is_drawn(open_page, run):
    app = open_page("run", run="a", tab="Calibration")
    app.slider(key="cal_bins").set_value(9).run()
    assert "over 9 bins" in text(app)
    assert len(trace(app, "Examples")["x"]) <= 9


@pytest.mark.parametrize(
    "bad",
    [{"cal_bins": "9999"}, {"cal_bins": "x"}, {"cal_class": "<script>"},
     {"cal_method": "magic"}, {"cal_scheme": "none"}],
)  # fmt: skip
def test_bad_choices_in_the_address_are_not_taken(open_page, run, bad):
    app = open_page("run", run="a", tab="Calibration", **bad)
    assert not app.exception
    assert "over 15 bins of equal width" in text(app)


def test_class_names_of_users_are_text(open_page, run):
    content = read_json(run.evaluation)
    content["class_names"][0] = "<b>*owl*</b>"
    run.evaluation.write_text(json.dumps(content))
    app = open_page("run", run="a", tab="Calibration", cal_class="<b>*owl*</b>")
    assert not app.exception
    layout = charts(app)["reliability"]["figure"]["layout"]
    assert layout["xaxis"]["title"]["text"].endswith("&lt;b&gt;*owl*&lt;/b&gt;")
    (note,) = [each.value for each in app.caption if "Mean gap" in each.value]
    assert r"\<b\>\*owl\*\</b\>" in note


def test_the_examples_of_a_chosen_bin_are_shown(open_page, run):
    app = open_page("run", run="a", tab="Calibration")
    assert not images(app)
    counts = trace(app, "Examples")["y"]
    app.selectbox(key="cal_bin").select_index(len(counts) - 1).run()
    assert images(app) == min(24, counts[-1])
    assert f"{counts[-1]} examples" in text(app)


@pytest.mark.parametrize(
    ("click", "chosen"),
    [
        ({"customdata": [0, 3]}, 3),
        ({"customdata": [1, 3]}, None),
        ({"customdata": [0, 10]}, None),
        ({"customdata": [0, -1]}, None),
        ({"customdata": [0, 1.5]}, None),
        ({"customdata": [0, True]}, None),
        ({"customdata": "x"}, None),
        ({"customdata": [0]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_click_is_checked(monkeypatch, click, chosen):
    state = {}
    monkeypatch.setattr(calibration.st, "session_state", state)
    _take(click, 10)
    assert state.get("cal_bin") == chosen
    if click is not None:
        state["cal_bin"] = 7
        _take(click, 10)  # told again with the next run
        assert state == {CLICK: click, "cal_bin": 7}


def test_a_run_without_images_has_all_but_them(open_page, run):
    run.images.unlink()
    app = open_page("run", run="a", tab="Calibration")
    app.selectbox(key="cal_bin").select_index(0).run()
    assert "This run kept no images." in text(app)
    assert not app.error


def test_damaged_images_cost_the_images_only(open_page, run):
    run.images.write_bytes(b"PK")
    app = open_page("run", run="a", tab="Calibration")
    app.selectbox(key="cal_bin").select_index(0).run()
    assert "The examples of a bin cannot be shown" in errors(app)
    assert "reliability" in charts(app)


def test_damaged_predictions_cost_the_tab_only(open_page, run):
    run.predictions.write_bytes(b"PK")
    app = open_page("run", run="a", tab="Calibration")
    assert not app.exception
    assert "The reliability diagram cannot be shown" in errors(app)
    assert "ECE" in [metric.label for metric in app.metric]


def test_points_have_a_diagram_too(open_page, root):
    fakes.write_run(root, "m", dataset="moons", evaluated=True)
    app = open_page("run", run="m", tab="Calibration")
    assert not app.exception
    assert "reliability" in charts(app)


def test_a_run_that_was_not_evaluated_says_so(open_page, root):
    fakes.write_run(root, "b", state="failed")
    app = open_page("run", run="b", tab="Calibration")
    assert "Calibration is known of runs that finished" in text(app)
