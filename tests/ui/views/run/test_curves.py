"""Tests of `ui/views/run/curves.py`."""

import plotly.graph_objects as go
import pytest

from tests.ui import fakes
from tests.ui.painting import painted
from trainers.runs import Run, read_metrics
from ui.components.axes import EPOCH, TIME, Axes
from ui.components.series import MAX_POINTS
from ui.views.run.curves import FEW, best_epoch, curves

RAW = Axes(smoothing=0.0)


def rows_of(tmp_path, *, bayesian, steps=range(0, 301, 10)):
    run = Run(tmp_path)
    fakes.write_metrics(run, steps, bayesian=bayesian)
    return read_metrics(run)[0]


def by_key(rows, axes=None):
    return {curve.key: curve for curve in curves(rows, axes)}


def epochs_of(*values):
    return [
        {"kind": "epoch", "step": 10 * k, "epoch": k, "validation_nll": value}
        for k, value in enumerate(values, start=1)
    ]


def test_vogn_has_six_panels_and_others_no_posterior(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bayesian = by_key(rows_of(tmp_path / "a", bayesian=True))
    plain = by_key(rows_of(tmp_path / "b", bayesian=False))
    assert list(bayesian) == ["loss", "accuracy", "ece", "deviation", "lr", "speed"]
    assert set(bayesian) - set(plain) == {"deviation"}


@pytest.mark.parametrize(
    "axes", [Axes(), Axes(EPOCH, log_y=True), Axes(TIME), Axes(TIME, log_x=True)]
)
def test_every_panel_is_one_that_plotly_accepts(tmp_path, axes):
    for curve in curves(rows_of(tmp_path, bayesian=True), axes):
        go.Figure(painted(curve.figure))


def test_the_loss_panel_has_raw_smoothed_and_validation(tmp_path):
    rows = rows_of(tmp_path, bayesian=True)
    raw, bold, validation, best = by_key(rows, Axes(smoothing=0.2))["loss"].figure[
        "data"
    ]
    assert raw["y"] == [row["train_loss"] for row in rows if row["kind"] == "step"]
    assert raw["showlegend"] is False
    assert bold["name"] == "Training loss (smoothed)"
    assert bold["y"] != raw["y"]
    assert validation["x"] == [100, 200, 300]
    assert best["x"] == [300]


def test_without_smoothing_there_is_one_line_with_the_logged_values(tmp_path):
    rows = rows_of(tmp_path, bayesian=True)
    loss = by_key(rows, RAW)["loss"].figure["data"]
    assert [trace["name"] for trace in loss] == [
        "Training loss", "Validation NLL", "Best epoch",
    ]  # fmt: skip
    assert loss[0]["y"] == [row["train_loss"] for row in rows if row["kind"] == "step"]


def test_epochs_are_never_smoothed_so_the_star_is_on_their_line(tmp_path):
    rows = rows_of(tmp_path, bayesian=True, steps=range(0, 4001, 10))
    shown = by_key(rows, Axes(smoothing=0.2))
    *_, validation, best = shown["loss"].figure["data"]
    assert validation["name"] == "Validation NLL"
    assert best["y"][0] in validation["y"]
    (ece,) = shown["ece"].figure["data"]
    assert ece["hovertemplate"] == "%{y:.2%}"
    assert f"ECE now {100 * ece['y'][-1]:.2f} %" in shown["ece"].alt


def test_what_is_set_is_never_smoothed(tmp_path):
    shown = by_key(rows_of(tmp_path, bayesian=True), Axes(smoothing=0.2))
    assert len(shown["lr"].figure["data"]) == 1
    assert len(shown["deviation"].figure["data"]) == 1
    assert len(shown["loss"].figure["data"]) == 4


def test_the_axis_is_the_one_that_was_chosen(tmp_path):
    rows = rows_of(tmp_path, bayesian=True)
    epochs = by_key(rows, Axes(EPOCH))
    assert epochs["accuracy"].figure["data"][0]["x"] == [1, 2, 3]
    assert epochs["loss"].figure["data"][0]["x"][-1] == 3.0
    clock = by_key(rows, Axes(TIME, longest=6.0))["accuracy"]
    assert clock.figure["data"][0]["x"][0] == "1970-01-01 00:00:02.000"
    assert clock.alt.endswith("by training time (h:min).")
    assert by_key(rows, Axes(log_y=True))["lr"].figure["layout"]["yaxis"]["type"] == (
        "log"
    )


def test_the_best_epoch_is_the_first_of_the_lowest_nll():
    rows = epochs_of(0.5, 0.25, None, 0.25, 0.3)
    assert best_epoch(rows)["epoch"] == 2
    loss = by_key(rows)["loss"]
    assert "Best validation NLL 0.2500, after epoch 2." in loss.note
    assert (loss.figure["data"][-1]["x"], loss.figure["data"][-1]["y"]) == (
        [20],
        [0.25],
    )
    assert best_epoch(epochs_of(None)) is None
    assert best_epoch([]) is None


def test_without_a_validation_split_its_panel_is_left_out(tmp_path):
    rows = rows_of(tmp_path, bayesian=True)
    for row in rows:
        for key in [key for key in row if key.startswith("validation")]:
            del row[key]
    shown = by_key(rows)
    assert "ece" not in shown
    assert "accuracy" in shown
    assert "Best" not in shown["loss"].note


def test_nothing_logged_gives_no_panel():
    assert curves([]) == []
    assert curves([{"kind": "step", "step": 0, "train_loss": None}]) == []


def test_a_long_run_is_thinned():
    rows = [
        {"kind": "step", "step": k, "train_loss": 1.0 + k % 7} for k in range(9_000)
    ]
    for axes in (Axes(), RAW):
        for trace in by_key(rows, axes)["loss"].figure["data"]:
            assert len(trace["x"]) <= MAX_POINTS


def test_dots_mark_the_epochs_of_a_short_run_only():
    few = by_key(epochs_of(*[0.5] * FEW), RAW)["loss"].figure["data"][1]
    many = by_key(epochs_of(*[0.5] * (FEW + 1)), RAW)["loss"].figure["data"][1]
    assert few["mode"] == "lines+markers"
    assert many["mode"] == "lines"


def test_alternative_texts_tell_the_newest_values():
    rows = [
        {"kind": "epoch", "step": 5, "train_accuracy": 0.5, "validation_accuracy": 0.25}
    ]
    alt = by_key(rows)["accuracy"].alt
    assert alt == "Accuracy: Training now 50.0 %, Validation now 25.0 %, by step."
    rows = [{"kind": "step", "step": 5, "examples_per_second": 812.4}]
    assert by_key(rows)["speed"].alt == "Speed: Speed now 812 examples/s, by step."
