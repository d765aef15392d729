"""Tests of the page as a whole."""

import pytest

from tests.ui.seen import text
from trainers.catalogue import OPTIMIZERS


@pytest.mark.parametrize("name", ["vogn", "sgd"])
def test_the_sections_stand_in_their_order(open_page, name):
    app = open_page("optimizer", optimizer=name)
    assert not app.exception
    assert not app.error
    seen = text(app)
    headings = ("Optimizer", "Measured here", "Hyper-parameters", "Code", "Download")
    places = [seen.index(f"# {heading}") for heading in headings]
    assert places == sorted(places)
    assert f"### {OPTIMIZERS[name].title}" in seen


def test_the_form_is_not_the_launch_pages(open_page):
    app = open_page("optimizer", optimizer="vogn", lr="0.5")
    assert "vogn-lr" not in app.session_state
    assert app.session_state["optimizer-form-vogn-lr"] == 0.5
