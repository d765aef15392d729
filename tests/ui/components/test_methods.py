"""Tests of `ui/components/methods.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.choosing import choose_optimizer
from tests.ui.seen import text
from trainers.catalogue import OPTIMIZERS
from trainers.kinds import KINDS, by_kind


def _page() -> None:
    import streamlit as st

    from ui.components.methods import choose_method

    st.code(choose_method("method").name)


@pytest.fixture
def app():
    return AppTest.from_function(_page, default_timeout=30).run()


def chosen(app):
    assert not app.exception
    return app.code[0].value


def test_the_first_optimizer_is_chosen_at_first(app):
    assert chosen(app) == next(iter(OPTIMIZERS))
    kinds = app.segmented_control(key="method-kind").options
    assert kinds == [KINDS[name].title for name in by_kind()]


def test_another_kind_brings_its_first_method_and_says_what_it_costs(app):
    app.segmented_control(key="method-kind").set_value("first_order").run()
    assert chosen(app) == by_kind()["first_order"][0].name
    titles = [spec.title for spec in by_kind()["first_order"]]
    assert app.segmented_control(key="method").options == titles
    assert KINDS["first_order"].costs in text(app)
    app.segmented_control(key="method").set_value("sgd").run()
    assert chosen(app) == "sgd"


def test_the_kind_follows_what_was_chosen_for_the_person():
    app = AppTest.from_function(_page, default_timeout=30)
    app.session_state["method"] = "sp_ngd"
    app.run()
    assert chosen(app) == "sp_ngd"
    assert app.segmented_control(key="method-kind").value == "natural"


def test_what_is_no_optimizer_is_not_chosen():
    app = AppTest.from_function(_page, default_timeout=30)
    app.session_state["method"] = "<b>"
    assert chosen(app.run()) == next(iter(OPTIMIZERS))


def test_every_optimizer_can_be_chosen(app):
    for specs in by_kind().values():
        assert chosen(choose_optimizer(app, specs[-1].name, "method")) == specs[-1].name
