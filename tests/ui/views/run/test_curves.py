"""Tests of `ui/views/run/curves.py`."""

import plotly.graph_objects as go

from tests.ui import fakes
from tests.ui.painting import painted
from trainers.runs import Run, read_metrics
from ui.components.series import MAX_POINTS
from ui.views.run.curves import curves


def rows_of(tmp_path, *, bayesian, steps=range(0, 301, 10)):
    run = Run(tmp_path)
    fakes.write_metrics(run, steps, bayesian=bayesian)
    return read_metrics(run)[0]


def by_key(rows):
    return {curve.key: curve for curve in curves(rows)}


def test_vogn_has_five_panels_and_others_no_posterior(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bayesian = by_key(rows_of(tmp_path / "a", bayesian=True))
    plain = by_key(rows_of(tmp_path / "b", bayesian=False))
    assert list(bayesian) == ["loss", "accuracy", "ece", "deviation", "lr"]
    assert set(bayesian) - set(plain) == {"deviation"}


def test_every_panel_is_one_that_plotly_accepts(tmp_path):
    for curve in curves(rows_of(tmp_path, bayesian=True)):
        go.Figure(painted(curve.figure))


def test_the_loss_panel_has_raw_smoothed_and_validation(tmp_path):
    rows = rows_of(tmp_path, bayesian=True)
    raw, bold, validation = by_key(rows)["loss"].figure["data"]
    assert raw["y"] == [row["train_loss"] for row in rows if row["kind"] == "step"]
    assert bold["y"] != raw["y"]
    assert validation["x"] == [100, 200, 300]


def test_without_a_validation_split_its_panel_is_left_out(tmp_path):
    rows = rows_of(tmp_path, bayesian=True)
    for row in rows:
        for key in [key for key in row if key.startswith("validation")]:
            del row[key]
    shown = by_key(rows)
    assert "ece" not in shown
    assert "accuracy" in shown


def test_nothing_logged_gives_no_panel():
    assert curves([]) == []
    assert curves([{"kind": "step", "step": 0, "train_loss": None}]) == []


def test_a_long_run_is_thinned(tmp_path):
    rows = [
        {"kind": "step", "step": k, "train_loss": 1.0 + k % 7} for k in range(9_000)
    ]
    for trace in by_key(rows)["loss"].figure["data"]:
        assert len(trace["x"]) <= MAX_POINTS


def test_alternative_texts_tell_the_newest_values(tmp_path):
    rows = [
        {"kind": "epoch", "step": 5, "train_accuracy": 0.5, "validation_accuracy": 0.25}
    ]
    assert "training now 50.0 %, validation now 25.0 %" in by_key(rows)["accuracy"].alt
