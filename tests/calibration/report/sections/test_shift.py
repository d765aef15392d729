"""Tests of the section on distribution shift."""

import pytest

from calibration.report.chart import Band, Line
from calibration.report.data import ShiftPoint
from calibration.report.document import Figures, Table
from calibration.report.sections.shift import shift
from tests.calibration.report.examples import four
from tests.calibration.report.sections.test_context import context


def points():
    made = [ShiftPoint(kind="clean", severity=0, metrics=four(0.9, 0.2, 0.01))]
    for kind, harm in (("fog", 0.1), ("gaussian_noise", 0.2)):
        for severity in (1, 2):
            metrics = four(0.9 - harm * severity, 0.2 + harm * severity, 0.02)
            made.append(ShiftPoint(kind=kind, severity=severity, metrics=metrics))
    return made


def blocks(section, kind):
    return [each for each in section.blocks if isinstance(each, kind)]


def test_the_mean_the_range_and_each_kind_are_drawn():
    (figures,) = blocks(shift(context(1, shift=points())), Figures)
    titles = [figure.title.split()[0] for figure in figures.items]
    assert titles == ["Accuracy", "NLL", "ECE"]
    band, *kinds, mean = figures.items[0].chart.panels[0].marks
    assert isinstance(band, Band)
    assert list(band.low) == pytest.approx([0.9, 0.7, 0.5])
    assert list(band.high) == pytest.approx([0.9, 0.8, 0.7])
    assert list(mean.y) == pytest.approx([0.9, 0.75, 0.6])
    assert [line.name for line in kinds] == ["Fog", "Gaussian noise"]
    assert list(kinds[0].x) == [0, 1, 2]
    assert "90.0 % at severity 0, on average 60.0 % at 2" in figures.items[0].alt


def test_kinds_are_not_drawn_where_there_are_many_models():
    (figures,) = blocks(shift(context(3, shift=points())), Figures)
    marks = figures.items[0].chart.panels[0].marks
    assert [type(mark) for mark in marks] == [Band, Line] * 3


def test_deeper_is_worse():
    _, accuracy, ece = blocks(shift(context(1, shift=points())), Table)
    assert [cell.text for cell in accuracy.rows[1]] == [
        "Gaussian noise", "70.0 %", "50.0 %",
    ]  # fmt: skip
    depths = [[cell.shade for cell in row[1:]] for row in accuracy.rows]
    assert depths == [pytest.approx([0.25, 0.5]), pytest.approx([0.5, 1])]
    assert accuracy.note == "Clean: 90.0 %. The deeper the colour, the worse."
    assert ece.rows[0][1].shade == pytest.approx(1)


def test_the_means_are_a_table_with_the_range_and_the_interval_of_the_clean_ones():
    means = blocks(shift(context(1, shift=points())), Table)[0]
    assert [cell.text for cell in means.rows[2]] == ["2", "60.0 %", "0.5000", "2.00 %"]
    assert means.rows[2][1].detail == "(50.0 to 70.0)"
    assert means.rows[0][1].detail == "(89.4 to 90.6)"
    both = blocks(shift(context(2, shift=points())), Table)[0]
    assert [row[0].text for row in both.rows] == ["VOGN"] * 3 + ["AdamW"] * 3


def test_a_part_of_the_test_set_is_called_one():
    whole = shift(context(1, shift=points())).blocks[0].text
    assert whole.startswith("The 10,000 test examples, corrupted")
    part = shift(context(1, shift=points(), num_examples=70_000)).blocks[0].text
    assert part.startswith(
        "A part of the test set, 10,000 of 70,000 examples, corrupted"
    )


def test_without_corruptions_there_is_no_section():
    assert shift(context(2, shift=[])) is None
