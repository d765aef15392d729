"""Tests of `ui/views/system/settings.py`."""

import os

import pytest

from tests.ui.seen import errors, text
from trainers import preferences
from ui.components import access


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(preferences, "_KEPT", set())
    for name in preferences.NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def settings_tab(open_page):
    return open_page("system", system="Settings")


def save(app):
    (button,) = [each for each in app.button if each.label == "Save"]
    return button.click().run()


def test_what_is_saved_goes_with_the_next_run_and_is_shown_again(open_page, tmp_path):
    app = settings_tab(open_page)
    app.text_input(key="setting-cache").set_value(str(tmp_path))
    app.multiselect(key="setting-mirrors").set_value(["tensorboard"])
    app = save(app)
    assert not app.error
    assert os.environ["VOGN_CACHE"] == str(tmp_path)
    assert os.environ["VOGN_MIRRORS"] == "tensorboard"
    again = settings_tab(open_page)
    assert again.text_input(key="setting-cache").value == str(tmp_path)
    assert again.multiselect(key="setting-mirrors").value == ["tensorboard"]


def test_what_cannot_be_is_refused(open_page):
    app = settings_tab(open_page)
    app.text_input(key="setting-grace").set_value("soon")
    app = save(app)
    assert "VOGN_STOP_GRACE must be a number of seconds" in errors(app)
    assert preferences.kept() == {}


def test_what_was_set_outside_cannot_be_changed_here(open_page, monkeypatch):
    monkeypatch.setenv("VOGN_STOP_GRACE", "5")
    app = settings_tab(open_page)
    assert app.text_input(key="setting-grace").disabled
    assert "VOGN_STOP_GRACE was set where the server was started." in text(app)


def test_a_damaged_file_is_told_and_can_be_replaced(open_page):
    preferences.file().write_text("{")
    app = settings_tab(open_page)
    assert not app.exception
    assert ".settings.json" in errors(app)
    save(app)
    assert preferences.kept() == {}


def test_the_theme_is_written_for_every_page(open_page):
    import json

    app = settings_tab(open_page)
    found = [
        json.loads(each.proto.json)
        for each in app.get("bidi_component")
        if each.proto.component_name == "vogn_appearance"
    ]
    assert found == [{"pages": ["", *navigation_names()]}]


def navigation_names():
    return ["launch", "runs", "run", "compare", "optimizer", "report", "system"]


def test_a_viewer_changes_nothing(open_page, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    app = settings_tab(open_page)
    assert app.text_input(key="setting-cache").disabled
    (button,) = [each for each in app.button if each.label == "Save"]
    assert button.disabled
