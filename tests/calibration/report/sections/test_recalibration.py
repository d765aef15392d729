"""Tests of the section on recalibration."""

from dataclasses import replace

from calibration.report.document import Bullets, Figures, Table
from calibration.report.sections.recalibration import recalibration
from tests.calibration.report.examples import example_model
from tests.calibration.report.sections.test_context import context


def block(section, kind):
    return next(each for each in section.blocks if isinstance(each, kind))


def test_the_best_method_is_marked_and_drawn():
    section = recalibration(context(1))
    table = block(section, Table)
    assert [row[0].text for row in table.rows] == [
        "As it is", "Temperature scaling", "Vector scaling", "Isotonic regression",
        "Histogram binning",
    ]  # fmt: skip
    assert [row[0].strong for row in table.rows] == [False, True, False, False, False]
    assert table.rows[1][0].detail == "best, T = 1.352"
    assert table.rows[2][0].detail == "20 numbers"
    names = [m.name for m in block(section, Figures).items[0].chart.panels[0].marks]
    assert names == ["Perfect calibration", "As it is", "After: Temperature scaling"]
    assert "5,000 examples fitted on" in section.blocks[0].text
    assert block(section, Bullets).items[0].startswith("Matrix scaling: It would need")


def test_where_no_method_helps_the_predictions_as_they_are_are_best():
    found = replace(example_model(0).recalibration, best="none", bins_after=[])
    section = recalibration(context(1, recalibration=found))
    assert block(section, Table).rows[0][0].detail == "best"
    marks = block(section, Figures).items[0].chart.panels[0].marks
    assert [mark.name for mark in marks] == ["Perfect calibration", "As it is"]


def test_methods_that_could_not_be_fitted_have_their_titles():
    found = replace(
        example_model(0).recalibration,
        left_out={"matrix": "needs at least 10100 examples"},
    )
    assert list(
        block(recalibration(context(1, recalibration=found)), Bullets).items
    ) == ["Matrix scaling (ODIR): Needs at least 10,100 examples."]


def test_without_it_there_is_no_section():
    assert recalibration(context(1, recalibration=None)) is None
