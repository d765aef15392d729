"""Tests of `ui/views/runs/column.py`."""

from typing import get_args

from ui.views.runs.column import Column, Kind
from ui.views.runs.table import _OTHERS, _TYPES


def test_every_kind_can_be_drawn():
    own = {"state", "setting", "number", "whole", "percent"}
    assert set(get_args(Kind)) == own | set(_OTHERS)
    assert set(get_args(Kind)) == {"setting", *_TYPES}


def test_a_column_is_text_unless_it_says_otherwise():
    column = Column("a", "A", lambda view: None)
    assert (column.kind, column.help, column.format) == ("text", "", "")
