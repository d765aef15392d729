"""Tests of `ui/views/report/making.py`, with a real report made by a real process."""

import json
import time
from pathlib import Path

import pytest

from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers import errands
from trainers.errands import DONE, RUNNING
from trainers.runs import Run
from ui.components import access
from ui.views.report.making import place_of, words
from ui.views.report.page import folder_of

PATIENCE = 120.0  # seconds; the machine may be busy


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def make(app):
    (button,) = [each for each in app.button if each.label.startswith("Make")]
    return button.click().run()


def test_a_report_is_made_by_a_process_of_its_own_and_offered(open_page, run):
    app = open_page("report", runs="a")
    app.text_input(key="report-title").set_value("-- <b>Mine</b>")
    app.toggle(key="report-pdf").set_value(False)
    app = make(app)
    assert not app.exception
    assert not app.error
    assert "The report is being made." in text(app)
    place, limit = place_of(folder_of([run])), time.monotonic() + PATIENCE
    while errands.look(place).state == RUNNING and time.monotonic() < limit:
        time.sleep(0.2)
    found = errands.look(place)
    assert found.state == DONE, found.log
    app = open_page("report", runs="a")
    labels = [each.proto.label for each in app.get("download_button")]
    assert labels[:4] == ["HTML", "JSON", "Model card", "All as zip"]
    assert len(labels) > 6  # the tables
    content = json.loads((run.path / "report" / "report.json").read_text())
    assert content["title"] == "-- <b>Mine</b>"


def test_a_failure_is_told_with_its_last_words(open_page, run):
    run.predictions.write_bytes(b"nothing")
    app = make(open_page("report", runs="a"))
    place, limit = place_of(folder_of([run])), time.monotonic() + PATIENCE
    while errands.look(place).state == RUNNING and time.monotonic() < limit:
        time.sleep(0.2)
    app = open_page("report", runs="a")
    assert "The report could not be made" in errors(app)
    assert "predictions.npz" in text(app)
    assert [each.label for each in app.button if each.label == "Make the report"]


def test_a_damaged_record_is_told_and_the_form_is_there(open_page, run):
    errands.suffixed(place_of(folder_of([run])), "json").write_text("{")
    app = open_page("report", runs="a")
    assert not app.exception
    assert "-making.json" in errors(app)
    assert [each for each in app.button if each.label == "Make the report"]


def test_a_viewer_makes_none(open_page, run, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = open_page("report", runs="a")
    (button,) = [each for each in app.button if each.label.startswith("Make")]
    assert button.disabled
    assert errands.look(place_of(folder_of([run]))) is None


def test_the_words_are_those_of_the_command_line():
    run = Run(Path("/runs/a"))
    found = words([run], Path("/out"), "-x", 20, pdf=False)
    assert found == [
        "trainers", "report", "/runs/a", "--output", "/out", "--bins", "20",
        "--title=-x", "--no-pdf",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "bins", "told"),
    [
        ("x" * 121, 15, "title must be at most 120"),
        ("a\nb", 15, "title must be at most 120 printable"),
        ("", 4, r"bins must be a whole number in \[5, 50\], got 4"),
        ("", 51, "got 51"),
        ("", 15.5, "got 15.5"),
    ],
)
def test_what_a_browser_may_send_is_checked_again(title, bins, told):
    with pytest.raises(ValueError, match=told):
        words([Run(Path("/runs/a"))], Path("/out"), title, bins, pdf=True)
