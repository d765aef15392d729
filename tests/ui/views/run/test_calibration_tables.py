"""Tests of `ui/views/run/calibration_tables.py`."""

import pytest

from calibration import Estimate
from tests.ui import fakes
from ui.views.run.calibration_tables import (
    SHOWN,
    measures_table,
    methods_table,
    verdict,
)
from ui.views.run.recalibration import NONE, fitted, measured


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def estimate(value, low, high):
    return Estimate(value, low=low, high=high, count=1234, method="Student t")


@pytest.mark.parametrize(
    ("bias", "kind", "way"),
    [
        ((0.02, 0.01, 0.03), "**Overconfident:**", "2.00 points too much"),
        ((-0.02, -0.03, -0.01), "**Underconfident:**", "2.00 points too little"),
        ((0.01, -0.01, 0.03), "**Neither over- nor underconfident", "too much"),
    ],
)
def test_the_verdict_is_what_the_interval_allows(bias, kind, way):
    told = verdict({
        "overconfidence": estimate(*bias),
        "mean_confidence": estimate(0.92, 0.9, 0.94),
        "accuracy": estimate(0.9, 0.88, 0.92),
    })
    assert told.startswith(kind)
    assert way in told
    assert "says 92.0 % and is right 90.0 %" in told
    assert f"{100 * bias[1]:+.2f} to {100 * bias[2]:+.2f}, 1,234 examples" in told


def test_measures_stand_with_what_they_are_or_with_the_recalibrated_ones(run):
    alone = measures_table(measured(run, NONE, 15), "")
    assert len(alone) == len(SHOWN)
    assert list(alone[0]) == ["Measure", "Value (95 % interval)", "What it is"]
    beside = measures_table(measured(run, "temperature", 15), "T")
    assert list(beside[0])[2:] == ["After T", "Paired difference"]
    paired = {row["Measure"]: row["Paired difference"] for row in beside}
    assert paired["MCE ↓"] == r"\-"
    assert paired["NLL ↓"][0] in "+-0"


def test_all_methods_have_a_row_and_one_is_chosen(run):
    found = fitted(run)
    rows = methods_table(found)
    assert len(rows) == len(found.results) == 7
    assert rows[0]["NLL, difference"] == ""
    (chosen,) = [row["Method"] for row in rows if "chosen" in row["Method"]]
    title = "As predicted" if found.best == NONE else found.told(found.best)
    assert title in chosen
