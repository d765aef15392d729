"""Tests of `ui/views/run/evaluated.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui import fakes
from tests.ui.seen import text
from trainers.status import Process


def _page(path: str) -> None:
    from pathlib import Path

    import streamlit as st

    from trainers.runs import Run
    from ui.components.reading import summary
    from ui.views.run.evaluated import evaluated

    content = evaluated(summary(Run(Path(path))), "How sure it is")
    st.markdown(f"found {content and content['num_examples']}")


@pytest.fixture
def shown(root):
    def shown(run):
        app = AppTest.from_function(_page, args=(str(run.path),), default_timeout=30)
        assert not app.run().exception
        return text(app)

    return shown


def test_an_evaluation_is_handed_on(root, shown):
    told = shown(fakes.write_run(root, "a", evaluated=True))
    assert told == "found 360"


def test_before_there_is_one_it_says_when(root, shown, alive):
    live = fakes.write_run(root, "a", state="running", trainer=Process.of(alive))
    assert "How sure it is appears here by itself" in shown(live)
    ended = fakes.write_run(root, "b", state="stopped")
    assert "How sure it is is known of runs that finished" in shown(ended)


def test_damage_is_told_elsewhere(root, shown):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text("{")
    assert shown(run) == "found None"
