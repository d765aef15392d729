"""Tests of `ui/components/guarded.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.seen import errors, text


def page(kind: str) -> None:
    import streamlit as st

    from trainers.runs import RunError
    from ui.components.guarded import guarded

    raised = {
        "run": RunError("images.npz is *gone*."),
        "key": KeyError("labels"),
        "value": ValueError("no <b>numbers</b>"),
        "disk": OSError("disk failed"),
        "none": None,
    }[kind]
    with guarded("The gallery"):
        st.markdown("before")
        if raised is not None:
            raise raised
        st.markdown("whole")
    st.markdown("after")


def opened(kind):
    return AppTest.from_function(page, args=(kind,)).run()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("run", "images.npz is *gone*."),
        ("key", "KeyError('labels')"),
        ("value", "ValueError('no <b>numbers</b>')"),
        ("disk", "disk failed"),
    ],
)
def test_what_fails_is_told_and_the_rest_is_shown(kind, told):
    app = opened(kind)
    assert not app.exception
    assert f"The gallery cannot be shown, its file is damaged: {told}" in errors(app)
    assert "before" in text(app)
    assert "after" in text(app)
    assert "whole" not in text(app)


def test_foreign_text_is_escaped():
    (error,) = opened("value").error
    assert r"\<b\>" in error.value


def test_a_whole_part_is_left_alone():
    app = opened("none")
    assert not app.error
    assert "whole" in text(app)


def test_mistakes_of_ours_are_not_hidden():
    from ui.components.guarded import guarded

    with pytest.raises(ZeroDivisionError), guarded("It"):
        _ = 1 / 0
