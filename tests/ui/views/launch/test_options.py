"""Tests of `ui/views/launch/options.py`; the launch page's tests fill it in."""

from streamlit.testing.v1 import AppTest

from trainers.config import TrainingConfig
from ui.views.launch.options import _NAMES, concerns


def _page() -> None:
    import streamlit as st

    from ui.views.launch.options import options

    st.session_state["answer"] = options()


def page():
    app = AppTest.from_function(_page, default_timeout=30).run()
    assert not app.exception
    return app


def test_they_start_with_the_defaults_of_the_command_line():
    answer = page().session_state["answer"]
    defaults = vars(TrainingConfig())
    assert answer == {name: defaults[name] for name in answer}
    assert {"schedule", "mixup", "random_erasing", "rescale_weights"} <= set(answer)


def test_the_decay_is_asked_for_with_its_schedule_alone():
    app = page()
    names = ("decay_power", "decay_start", "decay_end")
    assert all(app.number_input(key=name).disabled for name in names)
    app.selectbox(key="schedule").set_value("polynomial").run()
    assert not any(app.number_input(key=name).disabled for name in names)
    app.number_input(key="decay_end").set_value(7.5).run()
    assert app.session_state["answer"]["decay_end"] == 7.5


def test_every_field_explains_itself():
    app = page()
    fields = [*app.number_input, *app.toggle, *app.selectbox]
    assert len(fields) == 9
    assert all(field.help.endswith(".") for field in fields)


def test_its_own_problems_are_known():
    assert concerns("couple_momentum must be false for optimizer 'vogn'.")
    assert not concerns("momentum must be a number in [0, 1).")
    assert not concerns("scheduled_runs must be few.")
    assert set(page().session_state["answer"]) == set(_NAMES)
