"""Tests of `ui/components/errand.py`."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.seen import errors, text
from trainers import errands
from trainers.errands import DONE, FAILED, LOST, STOPPED, Errand
from trainers.runs import RunError


def ending():
    from pathlib import Path

    from ui.components.errand import standing, tell_ending

    tell_ending(standing(Path("/nowhere/x")), "The report", "could not be made")


def page():
    return AppTest.from_function(ending).run()


@pytest.mark.parametrize(
    ("state", "is_error", "words"),
    [
        (DONE, False, ""),
        (STOPPED, False, "The report was stopped"),
        (LOST, True, "The report was interrupted"),
        (FAILED, True, "The report could not be made"),
    ],
)
def test_an_ending_is_told_as_what_it_is(monkeypatch, state, is_error, words):
    log = "making: 1/9\rmaking: 2/9\n\nerror: no\n"
    found = Errand(state, (), time.time() - 60, None, log)
    monkeypatch.setattr(errands, "look", lambda _: found)
    app = page()
    assert words in (errors(app) if is_error else text(app))
    assert bool(errors(app)) is is_error
    assert [each.value for each in app.code] == ["making: 2/9\nerror: no"] * is_error


def test_where_there_was_none_nothing_is_told_and_damage_is(monkeypatch):
    assert not text(page())

    def damaged(_):
        raise RunError("x.json is damaged; delete it.")

    monkeypatch.setattr(errands, "look", damaged)
    assert "x.json is damaged" in errors(page())
