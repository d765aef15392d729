"""Tests of selective prediction, and right and wrong predictions."""

from dataclasses import replace

import pytest

from calibration.report.document import Figures, Table
from calibration.report.sections.decisions import (
    middle,
    right_and_wrong,
    selective,
    shares,
)
from tests.calibration.report.sections.test_context import context


def block(section, kind):
    return next(each for each in section.blocks if isinstance(each, kind))


def test_risk_is_drawn_with_the_oracle_and_chance():
    figure = block(selective(context(1)), Figures).items[0]
    names = [mark.name for mark in figure.chart.panels[0].marks]
    assert names == ["At random", "Oracle", "Most certain first"]
    assert "10.3 % of all predictions are wrong; of the 80 % most certain" in figure.alt
    many = block(selective(context(4)), Figures).items[0]
    assert len(many.chart.panels[0].marks) == 4


def test_the_table_has_areas_and_both_kinds_of_levels():
    table = block(selective(context(2)), Table)
    assert [row[0].text for row in table.rows] == [
        "AURC", "AUGRC", "Excess AURC", "AURC of the oracle", "Coverage at 1 % risk",
        "Coverage at 5 % risk", "Risk at 80 % coverage", "Risk at 90 % coverage",
        "Risk at 95 % coverage",
    ]  # fmt: skip
    assert all(len(row) == 3 for row in table.rows)


def test_models_of_different_examples_are_not_ranked():
    def strong(found):
        return any(c.strong for row in block(selective(found), Table).rows for c in row)

    both = context(2)
    assert strong(both)
    assert not strong(replace(both, report=replace(both.report, comparisons=[])))


def test_bars_of_a_histogram_add_up_to_one():
    bars = shares("x", [0.0, 0.5, 2.0], [3, 1], "good")
    assert list(bars.heights) == [0.75, 0.25]
    assert list(bars.x) == [0.25, 1.25]
    assert list(bars.widths) == [0.5, 1.5]
    assert sum(shares("x", [0.0, 1.0], [0], "good").heights) == 0


def test_the_median_of_a_histogram():
    assert middle([0, 1, 2, 3], [1, 5, 1]) == 1.5
    assert middle([0, 1], [0]) is None


def test_right_and_wrong_are_told_apart():
    figure = block(right_and_wrong(context(1)), Figures).items[0]
    right, wrong = figure.chart.panels[0].marks
    assert right.name == "Right (8,957)"
    assert sum(wrong.heights) == pytest.approx(1)
    assert "8,957 right predictions: about 0.05 nats" in figure.alt
