"""Tests of `ui/views/compare/key.py`."""

from dataclasses import replace

import pytest

from tests.ui.views.compare.examples import entries_of, family
from ui.components.key import key_html
from ui.views.compare.groups import MOST
from ui.views.compare.key import marks

LIGHT = [f"#00000{k}" for k in range(8)]
DARK = [f"#fffff{k}" for k in range(8)]


@pytest.fixture
def entry(root):
    return entries_of(*family(root, "vogn", evaluated=False))[0]


def test_names_are_escaped_and_the_baseline_is_named(entry):
    foreign = replace(entry, name='<script>"x"</script>')
    shown = key_html(marks([foreign], foreign), LIGHT, DARK)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "(3 seeds, baseline)" in shown
    other = key_html(marks([foreign], entry), LIGHT, DARK)
    assert "(3 seeds)" in other


def test_all_looks_of_entries_have_a_key(entry):
    entries = [replace(entry, place=k) for k in range(MOST)]
    shown = key_html(marks(entries, entries[0]), LIGHT, DARK)
    assert shown.count("<li") == MOST
    assert "light-dark(#000000,#fffff0)" in shown
    assert "light-dark(#000007,#fffff7)" in shown
