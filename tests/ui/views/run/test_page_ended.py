"""Tests of `ui/views/run/page.py`: a run that ended before its time."""

from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers import jobs
from trainers.jobs.local import Engine
from trainers.runs import RunError


def test_a_lost_run_is_told_and_can_be_resumed(open_page, root):
    fakes.write_run(root, "a", state="running", done=0.5)
    app = open_page("run", run="a")
    assert "Lost" in app.main.markdown[0].value
    assert "ended without a word" in app.warning[0].value
    assert "curve-loss" in charts(app)
    assert "loss 0.6" in text(app)  # the end of its log
    app.button(key="resume").click().run()
    assert [run.id for run in jobs.engine().queue()] == ["a"]
    assert "Queued #1" in app.main.markdown[0].value
    assert "It goes on from step 250." in app.info[0].value


def test_a_resume_that_is_refused_is_told(open_page, root, monkeypatch):
    def refuse(self, run):
        raise RunError("Run a cannot be resumed: it is running.")

    monkeypatch.setattr(Engine, "resume", refuse)
    fakes.write_run(root, "a", state="stopped")
    app = open_page("run", run="a")
    app.button(key="resume").click().run()
    assert "Run a cannot be resumed" in errors(app)


def test_a_failed_run_tells_class_message_suggestion_and_log(open_page, root):
    fakes.write_run(
        root, "a", state="failed", error_class="diverged", error_tail="Trace [0]",
        message="The loss was not finite at step 200.",
    )  # fmt: skip
    app = open_page("run", run="a")
    (told,) = [item.value for item in app.error]
    assert "**Diverged.** The loss was not finite at step 200." in told
    assert "Lower the learning rate" in told
    assert "Trace [0]" in [item.value for item in app.code]


def test_a_failure_of_a_class_from_elsewhere_gets_the_general_advice(open_page, root):
    fakes.write_run(root, "a", state="failed", error_class="cosmic rays", message="x")
    assert "Read the last lines of the log" in errors(open_page("run", run="a"))


def test_a_stopped_run_says_so(open_page, root):
    fakes.write_run(root, "a", state="stopped", message="Stopped on request.")
    app = open_page("run", run="a")
    assert app.info[0].value == "Stopped on request."
    assert not [button for button in app.button if button.key == "stop"]
