"""Tests of `ui/views/run/shift.py`, on the page that shows it."""

import numpy as np
import pytest

from calibration import shift_summary, shift_table
from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from ui.views.run.shift import verdict
from ui.views.run.shifted import shift_rows


@pytest.fixture
def run(root):
    run = fakes.write_run(root, "a", evaluated=True)
    fakes.write_shift(run)
    return run


def test_the_page_shows_curves_map_and_tables(open_page, run):
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert not app.error
    shown = charts(app)
    assert {"shift-accuracy", "shift-nll", "shift-ece", "shift-kinds"} <= set(shown)
    summary = shift_summary(shift_rows(run))
    table = app.table[0].value
    assert len(table) == 6
    last = summary[-1].accuracy.mean
    assert table["Accuracy ↑"].iloc[-1].startswith(f"{100 * last:.1f} %")
    assert table["Kinds"].iloc[-1] == "1"  # rotation is in no mean
    assert "120 test images" in text(app)
    assert "Rotation is in no mean." in text(app)
    assert app.table[1].value["Corruption"].tolist() == ["Fog", "Rotation"]
    assert len(app.dataframe[0].value) == 11


def test_the_measure_of_the_map_comes_from_the_address(open_page, run):
    app = open_page("run", run="a", tab="Shift", shift_of="ECE")
    heat = charts(app)["shift-kinds"]["figure"]["data"][0]
    fog = [float(row.ece) for row in shift_rows(run) if row.kind == "fog"]
    assert heat["z"][heat["y"].index("Fog")] == pytest.approx(fog)
    app = open_page("run", run="a", tab="Shift", shift_of="<script>")
    assert not app.exception
    assert "Accuracy by kind and severity" in text(app)


def test_the_verdict_counts_points():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 100)
    sure = np.full((100, 2), 0.01)
    sure[np.arange(100), labels] = 0.99
    half = sure.copy()
    half[:50] = half[:50, ::-1]
    told = verdict(shift_summary(shift_table(sure, {("fog", 5): half}, labels)))
    assert "accuracy goes from 100.0 % to 50.0 %" in told
    assert "50.0 points of accuracy lost, 48.0 points of calibration error" in told


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"labels": np.zeros(3, np.int64)}, "labels"),
        ({"clean": np.full((120, 10), np.nan)}, "clean"),
    ],
)
def test_damage_costs_the_numbers_and_they_can_be_measured_again(
    open_page, run, arrays, told
):
    with np.load(run.shift) as file:
        kept = dict(file)
    np.savez(run.shift, **(kept | arrays))
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert "Distribution shift cannot be shown" in errors(app)
    assert told in errors(app)
    assert "Measure it again" in [button.label for button in app.button]


@pytest.mark.parametrize("array", [np.zeros((7, 10)), np.full((120, 10), np.nan)])
def test_a_damaged_kind_is_left_out_and_named(open_page, run, array):
    with np.load(run.shift) as file:
        np.savez(run.shift, **(dict(file) | {"fog_2": array.astype(np.float32)}))
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert not app.error
    (warning,) = app.warning
    assert "Fog is left out, its predictions are damaged" in warning.value
    assert charts(app)["shift-kinds"]["figure"]["data"][0]["y"] == ["Rotation"]


def test_a_file_that_is_none_is_told(open_page, run):
    run.shift.write_bytes(b"PK")
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert "shift.npz cannot be read" in errors(app)


def test_points_have_no_corruptions(open_page, root):
    fakes.write_run(root, "m", dataset="moons", evaluated=True)
    app = open_page("run", run="m", tab="Shift")
    assert "Points of the plane have no corruptions" in text(app)
    assert "Measure it" not in [button.label for button in app.button]


def test_a_run_that_was_not_evaluated_says_so(open_page, root):
    fakes.write_run(root, "b", state="failed")
    app = open_page("run", run="b", tab="Shift")
    assert "is known of runs that finished" in text(app)
