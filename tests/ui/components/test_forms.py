"""Tests of `ui/components/forms.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.seen import errors
from trainers.catalogue import OPTIMIZERS
from trainers.hyperparameters import HyperParameter
from ui.components.forms import explanation, label, setting_title, step_size


def parameter(**values):
    given = {"name": "x", "kind": "float", "default": 0.1, "help": "Helps."}
    return HyperParameter(**(given | values))


def test_labels_are_words_with_units():
    assert label(parameter(name="prior_precision")) == "Prior precision"
    assert label(parameter(name="lr")) == "Learning rate"
    assert label(parameter(name="wait", unit="epochs")) == "Wait (epochs)"


def test_no_catalogue_label_shows_the_code():
    for spec in OPTIMIZERS.values():
        for item in spec.hyperparameters:
            assert "_" not in label(item)
            assert label(item) != "Lr"


def test_any_setting_has_a_title():
    assert setting_title("lr") == "Learning rate"
    assert setting_title("temperature") == "Temperature"
    assert setting_title("batch_size") == "Batch size"


def test_the_explanation_tells_help_range_and_default():
    told = explanation(parameter(minimum=0.0, maximum=1.0, open_maximum=True))
    assert told == "Helps.  \nAllowed: a number in \\[0, 1\\). Default: 0.1."


@pytest.mark.parametrize(
    ("default", "maximum", "step"),
    [
        (0.1, 1e6, 0.01),
        (0.001, 1e6, 0.0001),
        (50.0, 1e9, 1.0),
        (0.0, 1.0, 0.001),
        (0.9, 1.0, 0.01),
        (0.9999, 1.0, 0.00001),
    ],
)
def test_steps_fit_the_default(default, maximum, step):
    item = parameter(default=default, minimum=0.0, maximum=maximum)
    assert step_size(item) == pytest.approx(step)


def _page(name: str) -> None:
    import streamlit as st

    from trainers.catalogue import OPTIMIZERS
    from ui.components.forms import hyperparameters

    st.session_state["answer"] = hyperparameters(OPTIMIZERS[name])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_form_starts_with_every_default(name):
    app = AppTest.from_function(_page, args=(name,), default_timeout=30).run()
    assert not app.exception
    values, problems = app.session_state["answer"]
    assert values == OPTIMIZERS[name].defaults()
    assert list(values) == list(OPTIMIZERS[name].defaults())
    assert problems == []


def test_a_bad_value_is_refused_under_its_field_in_the_words_of_the_catalogue():
    app = AppTest.from_function(_page, args=("vogn",), default_timeout=30).run()
    app.number_input(key="vogn-momentum").set_value(1.0).run()
    assert "Momentum must be a number in [0, 1), got 1.0." in errors(app)
    values, problems = app.session_state["answer"]
    assert values["momentum"] == 1.0
    assert problems == ["momentum must be a number in [0, 1), got 1.0."]


def test_switches_and_choices_have_widgets_of_their_own():
    app = AppTest.from_function(_page, args=("sgd",), default_timeout=30).run()
    app.toggle(key="sgd-nesterov").set_value(True).run()
    assert app.session_state["answer"][0]["nesterov"] is True
    app = AppTest.from_function(_page, args=("vogn",), default_timeout=30).run()
    app.selectbox(key="vogn-batch_norm").set_value("sampled").run()
    assert app.session_state["answer"][0]["batch_norm"] == "sampled"
