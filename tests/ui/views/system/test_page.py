"""Tests of `ui/views/system/page.py`."""

import pytest

from tests.ui.seen import text
from ui.components import access
from ui.views.system.page import TABS


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_has_an_address(open_page, tab):
    app = open_page("system", system=tab)
    assert not app.exception
    assert not app.error
    shown = {
        "Machine": "### Devices",
        "Job engine": "### Dispatcher",
        "Versions": "check-up",
        "Settings": "### Appearance",
    }
    assert shown[tab] in text(app)
    assert all(words not in text(app) for other, words in shown.items() if other != tab)


def test_a_viewer_changes_nothing(open_page, monkeypatch):
    monkeypatch.setattr(access, "may_edit", lambda: False)
    for tab in TABS:
        assert all(button.disabled for button in open_page("system", system=tab).button)


def test_a_part_that_breaks_costs_no_more_than_itself(open_page, monkeypatch):
    def stale():
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr("ui.views.system.page.disks", stale)
    app = open_page("system")
    assert not app.exception
    assert "The disks cannot be shown" in app.error[0].value
    assert "### Devices" in text(app)
