"""Tests of `ui/components/guarded.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.seen import errors, text
from ui.components import guarded


def page(kind: str) -> None:
    import streamlit as st

    from trainers.mapped import MissingFileError
    from trainers.runs import RunError
    from ui.components.guarded import guarded

    raised = {
        "run": RunError("images.npz is *gone*."),
        "key": KeyError("labels"),
        "value": ValueError("no <b>numbers</b>"),
        "disk": OSError("disk failed"),
        "missing": MissingFileError("predictions.npz is missing."),
        "gone": FileNotFoundError(2, "No such file or directory", "/runs/a/x.json"),
        "division": ZeroDivisionError("division by zero"),
        "none": None,
    }[kind]
    with guarded("The gallery"):
        st.markdown("before")
        if raised is not None:
            raise raised
        st.markdown("whole")
    st.markdown("after")


@pytest.fixture(autouse=True)
def nothing_logged(monkeypatch):
    monkeypatch.setattr(guarded, "_logged", set())


def opened(kind):
    return AppTest.from_function(page, args=(kind,)).run()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("run", "damaged: images.npz is *gone*."),
        ("key", "damaged or the program is at fault: KeyError('labels')"),
        ("value", "at fault: ValueError('no <b>numbers</b>')"),
        ("division", "at fault: ZeroDivisionError('division by zero')"),
        ("disk", "damaged: disk failed"),
    ],
)
def test_what_fails_is_told_and_the_rest_is_shown(kind, told, caplog):
    app = opened(kind)
    assert not app.exception
    assert "The gallery cannot be shown, its file is damaged" in errors(app)
    assert told in errors(app)
    logged = [each.exc_info[0] for each in caplog.records if each.exc_info]
    assert bool(logged) == ("at fault" in told)  # with where it was
    assert "before" in text(app)
    assert "after" in text(app)
    assert "whole" not in text(app)


def test_a_fault_is_logged_once_and_another_one_too(caplog, monkeypatch):
    def fail(what, error):
        with guarded.guarded(what):
            raise error

    monkeypatch.setattr(guarded, "MOST", 3)
    for what, error in (
        ("The log", KeyError("a")), ("The log", KeyError("b")), ("It", KeyError("a")),
    ):  # fmt: skip
        for _ in range(3):
            fail(what, error)
    assert len([each for each in caplog.records if each.exc_info]) == 3
    fail("The log", ValueError("c"))
    assert len(guarded._logged) == 1


@pytest.mark.parametrize(
    ("kind", "told"),
    [("missing", "predictions.npz is missing."), ("gone", "x.json is missing.")],
)
def test_a_file_that_is_not_there_is_not_called_damaged(kind, told):
    assert errors(opened(kind)) == f"The gallery cannot be shown, {told}"


def fragments() -> None:
    import streamlit as st

    from ui.components.guarded import fragment

    def body(name: str) -> None:
        st.button("Again", key="again")
        raise FileNotFoundError(2, "No such file or directory", name)

    fragment("The log", body, 60.0)("rank1.log")
    st.markdown("after")


def test_what_is_raised_in_a_fragment_costs_the_fragment():
    app = AppTest.from_function(fragments).run()
    for _ in range(2):
        assert not app.exception
        assert errors(app) == "The log cannot be shown, rank1.log is missing."
        assert "after" in text(app)
        app.button(key="again").click().run()


def test_foreign_text_is_escaped():
    (error,) = opened("value").error
    assert r"\<b\>" in error.value


def test_a_whole_part_is_left_alone():
    app = opened("none")
    assert not app.error
    assert "whole" in text(app)


def test_mistakes_of_ours_are_not_hidden():
    with pytest.raises(AssertionError), guarded.guarded("It"):
        raise AssertionError
