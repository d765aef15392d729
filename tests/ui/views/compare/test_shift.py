"""Tests of `ui/views/compare/shift.py`."""

import pytest

from tests.ui import fakes
from tests.ui.seen import charts, text
from tests.ui.views.compare.examples import run_of
from ui.views.compare import judged


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
    expected = judged.shift(run)["fog"]["nll"]
    assert line["y"] == pytest.approx([expected[k] for k in range(6)])
    assert "**AdamW** (distribution shift was not measured)" in text(app)


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
