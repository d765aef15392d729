"""Tests of `ui/views/compare/logged.py`."""

import pytest

from tests.ui.views.compare.examples import run_of
from ui.components import reading
from ui.components.series import unbroken
from ui.views.compare import logged as module
from ui.views.compare.logged import log_of, logged


def test_rows_are_worked_up_once_for_each_state_of_the_file(root, monkeypatch):
    run = run_of(root, "a", evaluated=False)
    calls = []

    def counted(rows):
        calls.append(len(rows))
        return unbroken(rows)

    monkeypatch.setattr(module, "unbroken", counted)
    first = logged(run)
    assert logged(run) is first
    assert first.rows == reading.metrics(run)
    with run.metrics.open("a") as file:
        file.write('{"kind": "step", "step": 501, "seconds": 12, "mine": 3}\n')
    later = logged(run)
    assert calls == [len(first.rows), len(first.rows) + 1]
    assert later.kinds["mine"] == {"step"}
    assert (first.seconds, later.seconds) == (10, 12)


def test_what_a_run_took_is_that_of_all_its_stretches():
    rows = [
        {"epoch": 1, "seconds": 10.0}, {"epoch": 2, "seconds": 20.0},
        {"epoch": 3, "seconds": 10.0},  # an early version began anew
    ]  # fmt: skip
    log = log_of(rows)
    assert (log.epochs, log.seconds) == (3, 30)
    assert log.pace == pytest.approx(10)
    assert log_of([]).pace is None
