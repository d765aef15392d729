"""Tests of the section on prediction sets."""

from calibration.report.document import Table
from calibration.report.sections.conformal import conformal
from tests.calibration.report.sections.test_context import context


def block(section, kind):
    return next(each for each in section.blocks if isinstance(each, kind))


def test_prediction_sets_have_a_row_each():
    table = block(conformal(context(1)), Table)
    assert [cell.text for cell in table.rows[0]] == [
        "THR", "90.0 %", "90.4 %", "1.10", "87.0 %", "1.0 %",
    ]  # fmt: skip
    table = block(conformal(context(2)), Table)
    assert [row[0].text for row in table.rows] == ["VOGN"] * 6 + ["AdamW"] * 6
    assert conformal(context(1, conformal=None)) is None


def test_what_thresholds_were_set_on_is_said_once():
    quiet = [b.text for b in conformal(context(3)).blocks if getattr(b, "quiet", False)]
    assert quiet == [
        "Fitted on one half of the test examples, judged on the other. 5,000 examples "
        "set the thresholds."
    ]
