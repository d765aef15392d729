"""Tests of `ui/views/run/other_curves.py`."""

import plotly.graph_objects as go

from tests.ui import fakes
from tests.ui.painting import painted
from trainers.runs import Run, read_metrics
from ui.components.axes import Axes
from ui.views.run.other_curves import MOST, other_curves, other_keys


def row(kind="step", step=1, **values):
    return {"kind": kind, "step": step, **values}


def test_what_trainings_log_has_a_panel_of_its_own(tmp_path):
    run = Run(tmp_path)
    fakes.write_metrics(run, range(0, 301, 10), bayesian=True, curvature=True)
    assert other_keys(read_metrics(run)[0]) == {}


def test_another_number_gets_a_panel_of_the_rows_that_have_it():
    rows = [row(gradient_norm=2.0), row(step=2, gradient_norm=1.0, note="x", on=True)]
    (curve,) = other_curves(rows, Axes())
    assert curve.title == "Gradient norm"
    assert curve.figure["data"][0]["y"] == [2.0, 1.0]
    assert "Gradient norm now 1, by step" in curve.alt


def test_a_number_of_steps_and_epochs_has_two_lines_in_one_panel():
    rows = [row(swa_loss=2.0), row("epoch", swa_loss=1.0)]
    (curve,) = other_curves(rows, Axes())
    assert [trace["name"] for trace in curve.figure["data"]] == [
        "Swa loss", "Swa loss by epoch",
    ]  # fmt: skip


def test_a_name_is_shown_as_it_stands():
    name = "<img src=x> **a**"
    (curve,) = other_curves([row(**{name: 1.0})], Axes())
    assert curve.figure["data"][0]["name"] == "&lt;img src=x&gt; **a**"
    assert curve.title == "\\<img src=x\\> \\*\\*a\\*\\*"
    go.Figure(painted(curve.figure))


def test_there_are_at_most_so_many():
    rows = [row(**{f"z{k:02}": float(k) for k in range(MOST + 5)})]
    assert len(other_curves(rows, Axes())) == MOST
    assert len(other_keys(rows)) == MOST + 5


def test_the_task_of_a_row_is_no_number_to_draw():
    assert other_keys([row(task=1), row(step=2, task=2)]) == {}
