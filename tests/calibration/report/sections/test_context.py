"""Tests of what all sections know."""

import pytest

from calibration.report.sections.context import (
    MODELS_A_TABLE,
    Context,
    columns_of,
)
from tests.calibration.report.examples import example_report


def context(models, **changes):
    return Context(example_report(models, **changes))


@pytest.mark.parametrize(
    ("models", "sizes"), [(1, [1]), (5, [5]), (6, [3, 3]), (7, [4, 3]), (10, [5, 5])]
)
def test_models_are_dealt_into_tables_of_about_the_same_size(models, sizes):
    groups = list(context(models).tables())
    assert [len(group) for group in groups] == sizes
    assert max(sizes) <= MODELS_A_TABLE
    assert [model for group in groups for model in group] == context(models).models


def test_models_are_told_apart_only_where_there_are_several():
    alone = context(1)
    assert alone.heading(alone.models[0]) == []
    assert alone.color(alone.models[0]) == ""
    both = context(2)
    (heading,) = both.heading(both.models[1])
    assert (heading.text, heading.color) == ("AdamW", "model-1")


def test_models_left_out_are_named():
    both = context(2)
    assert both.without([both.models[0]]) == ["AdamW"]


def test_rows_of_figures_have_few_holes():
    columns = {figures: columns_of(figures) for figures in range(1, 11)}
    assert columns == {
        1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 2, 7: 3, 8: 2, 9: 3, 10: 2
    }  # fmt: skip
