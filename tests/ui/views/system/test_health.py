"""Tests of `ui/views/system/health.py`."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from tests.ui.seen import errors, text
from trainers import jobs
from trainers.runs import RunError
from ui.components import access
from ui.views.system import health
from ui.views.system.health import checked_by_doctor

FINDINGS = [
    {"level": "ok", "name": "cpu", "text": "2 cores.", "advice": ""},
    {"level": "FAIL", "name": "g*p*u", "text": "No <driver>.", "advice": "Repair it."},
]


def answering(monkeypatch, output):
    done = SimpleNamespace(stdout=output, returncode=1)
    monkeypatch.setattr(health.subprocess, "run", lambda *_, **__: done)


def engine_tab(open_page):
    return open_page("system", system="Job engine")


def test_the_dispatcher_and_its_queue_are_told(open_page):
    app = engine_tab(open_page)
    assert "**Dispatcher** None runs. The next submit starts it." in text(app)
    assert "The log is empty." in text(app)


def test_the_queue_is_paused_and_goes_on(open_page):
    app = engine_tab(open_page)
    app.button(key="pause_queue").click().run()
    assert jobs.engine().paused
    assert app.button(key="pause_queue").label == "Go on with the queue"
    app.button(key="pause_queue").click().run()
    assert not jobs.engine().paused


def test_the_checkup_tells_what_is_wrong_first(open_page, monkeypatch):
    answering(monkeypatch, json.dumps({"findings": FINDINGS}))
    app = engine_tab(open_page).button(key="checkup").click().run()
    assert "1 of 2 points want a look." in app.warning[0].value
    shown = text(app)
    assert shown.index("G*p*u") < shown.index("**Cpu**")
    assert "Repair it." in shown
    assert any("\\<driver\\>" in each.value for each in app.markdown)


@pytest.mark.parametrize("output", ["", "[]", "{}", '{"findings": [{"x": 1}]}'])
def test_a_checkup_that_fails_is_told(open_page, monkeypatch, output):
    answering(monkeypatch, output)
    app = engine_tab(open_page).button(key="checkup").click().run()
    assert not app.exception
    assert "python -m trainers doctor" in errors(app)


def test_a_checkup_that_takes_too_long_is_told(monkeypatch):
    def slow(*_, **__):
        raise subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(health.subprocess, "run", slow)
    with pytest.raises(RunError, match="more than 180 seconds"):
        checked_by_doctor()


def test_a_viewer_checks_nothing(open_page, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    assert engine_tab(open_page).button(key="checkup").disabled
