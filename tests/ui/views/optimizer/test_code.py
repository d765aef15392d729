"""Tests of the code on the page."""

import pytest

from tests.ui.seen import text
from trainers.catalogue import OPTIMIZERS
from trainers.parcel.snippets import snippets


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_code_shown_is_the_code_tested(open_page, name):
    app = open_page("optimizer", optimizer=name, lr="0.0625")
    expected = snippets(OPTIMIZERS[name], {"lr": 0.0625})
    assert app.code[0].value == expected[0].code.rstrip("\n")
    tabs = [tab.label for tab in app.tabs]
    assert tabs == [each.title for each in expected]


def test_what_is_yours_and_what_to_install_is_said(open_page):
    app = open_page("optimizer", optimizer="lamb")
    assert "`pip install timm` goes before." in text(app)
    assert "Yours are `model`, `loader`" in text(app)


def test_without_valid_values_there_is_no_code(open_page):
    app = open_page("optimizer", optimizer="kfac")
    field = next(f for f in app.number_input if f.key == "optimizer-form-kfac-damping")
    field.set_value(0.0).run()
    assert not app.exception
    assert not any("KFAC(" in each.value for each in app.code)
    assert "The code appears when the values above are in order." in text(app)
