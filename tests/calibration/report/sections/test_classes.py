"""Tests of the table and the diagrams of classes."""

from calibration.report.document import Figures, Table
from calibration.report.sections.classes import MAX_ROWS, per_class
from tests.calibration.report.sections.test_context import context


def blocks(section, kind):
    return [each for each in section.blocks if isinstance(each, kind)]


def test_every_class_has_a_row_and_a_diagram():
    section = per_class(context(2))
    first, second = blocks(section, Table)
    assert len(first.rows) == len(second.rows) == 10
    assert first.rows[0][0].text == "T-shirt/top"
    assert first.note == ""
    (figures,) = blocks(section, Figures)
    assert [figure.title for figure in figures.items][-1] == "Ankle boot"
    assert len(figures.items) == 10
    assert len(figures.items[0].chart.panels[0].marks) == 3  # models share it


def test_of_many_classes_the_worst_are_shown_and_none_is_drawn():
    section = per_class(context(1, num_classes=100))
    (table,) = blocks(section, Table)
    recalls = [float(row[3].text.removesuffix(" %")) for row in table.rows]
    assert len(recalls) == MAX_ROWS
    assert recalls == sorted(recalls)
    rows = context(1, num_classes=100).models[0].classes
    assert recalls[0] == round(100 * min(row.recall for row in rows), 1)
    assert "has the other 70 too" in table.note
    assert blocks(section, Figures) == []


def test_without_classes_there_is_no_section():
    assert per_class(context(1, classes=[])) is None
