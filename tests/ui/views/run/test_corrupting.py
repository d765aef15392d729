"""Tests of `ui/views/run/corrupting.py`."""

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers import errands
from trainers.config import DatasetConfig
from trainers.errands import DONE, FAILED, LOST, RUNNING, Errand
from trainers.runs import RunError, load_config
from ui.views.run.corrupting import obstacle, place_of, progress, words


def errand(state, code=None, log=""):
    return Errand(state, ("trainers", "shift"), time.time(), code, log)


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


@pytest.fixture
def begun(monkeypatch):
    asked = []
    monkeypatch.setattr(errands, "begin", lambda *words: asked.append(words))
    return asked


def labels(app):
    return [button.label for button in app.button]


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()


def test_only_images_that_are_large_enough_can_be_corrupted(root):
    images = fakes.write_run(root, "a", evaluated=True)
    assert obstacle(images, load_config(images)) == ""  # 8 x 8 is the smallest
    points = fakes.write_run(root, "b", dataset="moons", evaluated=True)
    assert "Points of the plane" in obstacle(points, load_config(points))


def test_a_folder_s_images_are_measured_by_what_was_kept(run):
    config = replace(
        load_config(run), dataset=DatasetConfig(name="folder", folder="/photos")
    )
    assert obstacle(run, config) == ""
    np.savez(run.images, images=np.zeros((3, 8, 6), np.uint8), rows=np.arange(3))
    assert "at least 8 x 8 pixels" in obstacle(run, config)
    assert "these are 8 x 6" in obstacle(run, config)
    run.images.write_bytes(b"PK")
    assert obstacle(run, config) == ""


@pytest.mark.parametrize(
    ("log", "share"),
    [
        ("", None),
        ("loading\n", None),
        ("corrupting:   0%|   | 0/81 [00:00<?]", 0.0),
        ("corrupting:  1%| | 1/81\rcorrupting:  25%|##  | 20/80 [00:10<00:30]", 0.25),
        ("corrupting: 3/0", None),
        ("corrupting: 90/80", 1.0),
    ],
)
def test_progress_is_read_from_the_bar(log, share):
    assert progress(log) == share


def test_an_editor_begins_the_measurement_with_the_words_of_the_command(
    open_page, run, begun
):
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert "not measured for this run" in text(app)
    assert "python -m trainers shift a" in text(app)
    press(app, "Measure it")
    assert begun == [(place_of(run), ["trainers", "shift", str(run.path)])]
    assert words(run)[1] == "shift"


def test_a_viewer_cannot_begin_it(open_page, run, begun, monkeypatch):
    app = open_page("run", run="a", tab="Shift")
    (button,) = [each for each in app.button if each.label == "Measure it"]
    monkeypatch.setattr("ui.components.access.may_edit", lambda: False)
    button.click().run()  # of a page that was opened as an editor
    assert not begun
    (button,) = [each for each in app.button if each.label == "Measure it"]
    assert button.disabled


def test_a_refusal_is_told(open_page, run, monkeypatch):
    def refuse(*_):
        raise RunError("This is under way already: wait for its end, or stop it.")

    monkeypatch.setattr(errands, "begin", refuse)
    app = open_page("run", run="a", tab="Shift")
    press(app, "Measure it")
    assert "under way already" in errors(app)


def test_while_it_runs_there_is_its_progress_and_no_second_one(
    open_page, run, monkeypatch
):
    log = "corrupting:  25%|##  | 20/80 [00:10<00:30]"
    monkeypatch.setattr(errands, "look", lambda _: errand(RUNNING, log=log))
    ended = []
    monkeypatch.setattr(errands, "end", ended.append)
    app = open_page("run", run="a", tab="Shift")
    assert "Measure it" not in labels(app)
    (bar,) = app.get("progress")
    assert bar.proto.value == 25
    assert "25 %" in bar.proto.text
    press(app, "Stop")
    assert ended == [place_of(run)]


def test_a_record_that_breaks_while_it_runs_costs_its_progress(
    open_page, run, monkeypatch
):
    answers = iter([errand(RUNNING)])

    def look(_):
        for each in answers:
            return each
        raise RunError("shift.json is damaged.")

    monkeypatch.setattr(errands, "look", look)
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert "The measurement cannot be shown" in errors(app)


@pytest.mark.parametrize(
    ("state", "code", "told"),
    [(FAILED, 2, "did not end well"), (LOST, None, "was interrupted")],
)
def test_a_failure_is_told_with_the_end_of_its_log(
    open_page, run, monkeypatch, state, code, told
):
    log = "corrupting: 1/80\rerror: the dataset has changed\n"
    monkeypatch.setattr(errands, "look", lambda _: errand(state, code, log))
    app = open_page("run", run="a", tab="Shift")
    assert told in errors(app)
    assert "error: the dataset has changed" in [item.value for item in app.code]
    assert "Measure it" in labels(app)


def test_after_it_is_done_it_can_be_done_again(open_page, run, monkeypatch):
    fakes.write_shift(run)
    monkeypatch.setattr(errands, "look", lambda _: errand(DONE, 0))
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert "Measure it again" in labels(app)


def test_a_damaged_record_is_told_and_costs_nothing_else(open_page, run):
    fakes.write_shift(run)
    record = errands.suffixed(place_of(run), "json")
    record.write_text("{")
    app = open_page("run", run="a", tab="Shift")
    assert not app.exception
    assert "shift.json" in errors(app)
    assert "Measure it again" in labels(app)
