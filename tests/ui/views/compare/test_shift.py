"""Tests of `ui/views/compare/shift.py`."""

import numpy as np
import pytest

from tests.ui import fakes
from tests.ui.seen import charts, text
from tests.ui.views.compare.examples import run_of
from ui.views.compare.severities import shift


def test_severities_are_drawn_of_those_that_have_them(open_page, root):
    run = run_of(root, "a")
    run_of(root, "b", optimizer="adamw")
    fakes.write_shift(run)
    app = open_page("compare", runs="a,b", compare="Shift", compare_kind="Fog")
    assert not app.exception
    assert app.selectbox(key="compare_kind").value == "fog"
    assert set(charts(app)) == {
        f"compare-shift-{name}" for name in ("accuracy", "nll", "ece")
    }
    (line,) = charts(app)["compare-shift-nll"]["figure"]["data"]
    expected = shift(run).table["fog"]["nll"]
    assert line["y"] == pytest.approx([expected[k] for k in range(6)])
    assert "**AdamW** (distribution shift was not measured)" in text(app)
    assert "The same 120 test images with" in text(app)
    assert "mean" not in text(app)


def test_a_mean_is_over_the_kinds_that_all_have(open_page, root):
    one, two = run_of(root, "a"), run_of(root, "b", optimizer="adamw")
    fakes.write_shift(one, ("fog", "snow", "frost", "rotation"))
    fakes.write_shift(two, ("fog", "snow", "rotation"))
    app = open_page("compare", runs="a,b", compare="Shift")
    assert app.selectbox(key="compare_kind").value == "all"
    drawn = charts(app)["compare-shift-nll"]["figure"]["data"]
    for line, run in zip(drawn, (one, two), strict=True):
        expected = shift(run).mean(["snow", "fog"], "nll")
        assert line["y"] == pytest.approx([expected[k] for k in range(6)])
    assert "mean is over 2 kinds; it leaves out frost, rotation." in text(app)
    app.selectbox(key="compare_kind").select("frost").run()
    assert "**AdamW** (frost was not measured)" in text(app)
    assert "The mean" not in text(app)


def test_runs_of_other_images_are_left_out(open_page, root):
    one, two = run_of(root, "a"), run_of(root, "b", optimizer="adamw")
    fakes.write_shift(one)
    fakes.write_shift(two)
    with np.load(two.shift) as file:
        arrays = dict(file)
    np.savez(two.shift, **(arrays | {"indices": arrays["indices"] + 1}))
    app = open_page("compare", runs="a,b", compare="Shift", base="b")
    assert not app.exception
    assert "**VOGN** (measured on other test images, 120 of them)" in text(app)
    assert len(charts(app)["compare-shift-nll"]["figure"]["data"]) == 1


def test_without_a_measurement_the_command_is_told(open_page, root):
    run_of(root, "a")
    app = open_page("compare", runs="a", compare="Shift")
    assert not app.exception
    assert "python -m trainers shift" in text(app)


def test_a_damaged_file_costs_its_run(open_page, root):
    one, two = run_of(root, "a"), run_of(root, "b", optimizer="adamw")
    fakes.write_shift(one)
    two.shift.write_bytes(b"nothing")
    app = open_page("compare", runs="a,b", compare="Shift")
    assert not app.exception
    assert "shift.npz" in text(app)
    assert len(charts(app)) == 3
