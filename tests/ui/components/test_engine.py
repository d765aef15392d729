"""Tests of `ui/components/engine.py`."""

from streamlit.testing.v1 import AppTest

from tests.ui import fakes
from tests.ui.seen import errors, text
from tests.ui.selecting import select
from trainers import jobs
from trainers.jobs.launcher import JobState
from trainers.runs import RunError
from trainers.status import Status
from ui.components import engine


class Cluster:
    """A launcher that can do no more than it must."""

    def submit(self, configs, *, paths=None, group="", priority=0):
        return []

    def state(self, run):
        if run.id == "bad":
            raise RunError("damaged")
        return JobState(status=Status(state="running", created=0.0))

    def stop(self, run):
        pass

    def logs(self, run, num_bytes=4000):
        return ""


def test_the_engine_of_this_machine_can_do_everything(root):
    assert engine.queue() is jobs.engine()
    assert engine.archive() is jobs.engine()


def test_another_launcher_may_do_less(root, monkeypatch):
    monkeypatch.setattr(jobs, "engine", Cluster)
    assert engine.queue() is None
    assert engine.archive() is None
    runs = [fakes.write_run(root, name) for name in ("good", "bad")]
    assert [run.id for run in engine.states(runs)] == ["good"]


def test_the_pages_of_another_launcher_leave_out_what_it_cannot(
    open_page, root, monkeypatch
):
    fakes.write_run(root, "good", state="stopped")
    monkeypatch.setattr(jobs, "engine", Cluster)
    app = select(open_page("runs"), 0)
    assert not app.exception
    keys = {button.key for button in app.button}
    assert {"open", "stop", "clone"} <= keys
    assert {"pause", "resume", "delete"}.isdisjoint(keys)


def _page() -> None:
    import streamlit as st

    from trainers.runs import RunError
    from ui.components.engine import attempt, told

    def refuse() -> None:
        raise RunError("No [way].")

    def allow() -> None:
        st.session_state["done"] = st.session_state.get("done", 0) + 1

    if "done" not in st.session_state:
        attempt([refuse, allow])
    with told():
        refuse()
    st.caption("The rest of the page.")


def test_one_refusal_does_not_keep_the_others_from_being_done():
    app = AppTest.from_function(_page, default_timeout=30).run()
    assert not app.exception
    assert app.session_state["done"] == 1
    assert "No [way]." in errors(app)


def test_a_block_that_the_engine_breaks_is_told_and_the_page_goes_on():
    app = AppTest.from_function(_page, default_timeout=30).run()
    assert "The job engine cannot be used. No [way]." in errors(app).replace("**", "")
    assert "The rest of the page." in text(app)
