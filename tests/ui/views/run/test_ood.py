"""Tests of `ui/views/run/ood.py`, on the page that shows it."""

import json

import numpy as np
import pytest

from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers.runs import read_json, write_json
from ui.views.run.detection import detected
from ui.views.run.roc import POINT

OUT = "photo-patches"


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def point(app):
    drawn = charts(app)["ood-roc"]["figure"]["data"]
    (found,) = [trace for trace in drawn if trace["name"] == POINT]
    return found["x"][0], found["y"][0]


def test_it_begins_at_95_percent_with_the_numbers_of_the_evaluation(open_page, run):
    app = open_page("run", run="a", tab="OOD")
    assert not app.exception
    assert not app.error
    found = read_json(run.evaluation)["ood"][OUT]
    assert point(app) == pytest.approx((found["fpr95"], 0.95))
    assert metrics(app)["False alarms"] == f"{100 * found['fpr95']:.1f} %"
    assert metrics(app)["Caught"] == "95.0 %"
    table = app.table[0].value.set_index("Measure")
    assert table.loc["AUROC ↑"].iloc[0].startswith(f"{100 * found['auroc']:.1f} %")
    assert "out of distribution is the positive class" in table.loc["FPR95 ↓"].iloc[1]
    assert "Flags 475 of 500 examples" in text(app)


def test_the_slider_moves_the_threshold_everywhere(open_page, run):
    app = open_page("run", run="a", tab="OOD")
    app.slider(key="ood_recall").set_value(60.0).run()
    found = detected(run, OUT, "entropy")
    flagged = found.at(found.threshold_of_recall(0.6))
    assert point(app) == pytest.approx((float(flagged.alarms), 0.6))
    layout = charts(app)["ood-histogram"]["figure"]["layout"]
    assert layout["shapes"][0]["x0"] == pytest.approx(flagged.threshold)
    assert f"{flagged.num_alarms} of 360" in text(app)


def test_choices_come_from_the_address(open_page, run):
    app = open_page(
        "run", run="a", tab="OOD", ood_score="Energy", ood_by="False alarms",
        ood_alarms="10", ood_log="true",
    )  # fmt: skip
    assert not app.exception
    found = detected(run, OUT, "energy")
    flagged = found.at(found.threshold_of_alarms(0.1))
    assert point(app) == pytest.approx((0.1, float(flagged.recall)))
    layout = charts(app)["ood-histogram"]["figure"]["layout"]
    assert layout["xaxis"]["title"]["text"] == "Energy"
    assert layout["yaxis"]["type"] == "log"


@pytest.mark.parametrize(
    "bad",
    [{"ood_set": "mars"}, {"ood_score": "<script>"}, {"ood_recall": "-5"},
     {"ood_recall": "1e9"}, {"ood_recall": "nan"}, {"ood_by": "luck"}],
)  # fmt: skip
def test_bad_choices_in_the_address_are_not_taken(open_page, run, bad):
    app = open_page("run", run="a", tab="OOD", **bad)
    assert not app.exception
    assert not app.error
    assert metrics(app)["Caught"] == "95.0 %"


def test_all_scores_are_compared_on_demand(open_page, run):
    content = read_json(run.evaluation)
    write_json(run.evaluation, content | {"notes": ["Logits are of *one* network."]})
    app = open_page("run", run="a", tab="OOD")
    assert len(app.table) == 1
    assert text(app).count("Logits are of *one* network.") == 1
    app.session_state["ood_all"] = True
    app.run()
    assert text(app).count("Logits are of *one* network.") == 2  # the table's too
    rows = app.table[1].value
    assert len(rows) == 9
    assert "ViM is left out: logits must be an affine function" in text(app)
    by_name = rows.set_index("Score")["AUROC ↑"]
    value = detected(run, OUT, "mahalanobis").detection.auroc
    assert by_name["Mahalanobis distance"].startswith(f"{100 * value:.1f} %")


def test_a_score_that_its_arrays_do_not_suit_is_told(open_page, run):
    app = open_page("run", run="a", tab="OOD", ood_score="ViM")
    assert not app.exception
    (warning,) = app.warning
    assert "This score cannot be had here" in warning.value
    assert "affine function of the features" in warning.value


def test_points_say_why_there_is_no_other_set(open_page, root):
    fakes.write_run(root, "m", dataset="moons", evaluated=True)
    app = open_page("run", run="m", tab="OOD")
    assert "Points of the plane have no partner set" in text(app)
    assert not charts(app) or "ood-histogram" not in charts(app)


def test_a_run_without_another_set_says_so(open_page, run):
    with np.load(run.predictions) as file:
        kept = {k: v for k, v in file.items() if "ood" not in k}
    np.savez(run.predictions, **kept)
    app = open_page("run", run="a", tab="OOD")
    assert "No out-of-distribution set was at hand" in text(app)


def test_damaged_predictions_cost_the_tab_only(open_page, run):
    run.predictions.write_bytes(b"PK")
    app = open_page("run", run="a", tab="OOD")
    assert not app.exception
    assert "Detection of other inputs cannot be shown" in errors(app)


def test_an_unknown_set_is_shown_by_its_name(open_page, run):
    with np.load(run.predictions) as file:
        arrays = {k.replace(OUT, "<b>x</b>"): v for k, v in file.items()}
    np.savez(run.predictions, **arrays)
    content = read_json(run.evaluation)
    run.evaluation.write_text(json.dumps(content))
    app = open_page("run", run="a", tab="OOD")
    assert not app.exception
    (note,) = [each.value for each in app.caption if each.value.startswith("Flags")]
    assert r"\<b\>x" in note
