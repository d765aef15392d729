"""Tests of `ui/views/run/page.py`: a run that waits for its turn."""

from dataclasses import replace

from tests.ui import fakes
from tests.ui.seen import text
from trainers import jobs
from trainers.jobs.local import Engine


def queued(number=1, **options):
    return jobs.engine().submit([fakes.config()] * number, **options)


def test_a_queued_run_tells_its_place_what_is_before_it_and_why(open_page):
    runs = queued(7, group="mine")
    app = open_page("run", run=runs[-1].id)
    assert not app.exception
    assert "Queued #7" in app.main.markdown[0].value
    assert "group mine" in text(app)
    assert app.info[0].value.startswith("**It is #7 in the queue.**")
    links = [item.proto.label for item in app.get("page_link")]
    assert links == [run.id for run in runs[:4]]
    assert "and 2 more" in text(app)
    assert not app.progress
    assert "The curves appear here" in text(app)


def test_the_reason_of_the_dispatcher_is_shown(open_page, monkeypatch):
    (run,) = queued()
    state = jobs.engine().state(run)
    told = replace(state, reason="Waits for GPU 0: used by process 7 (python).")
    monkeypatch.setattr(Engine, "states", lambda self, runs: {run: told})
    app = open_page("run", run=run.id)
    assert app.info[0].value.startswith("**It is the next one.** Waits for GPU 0")
    assert "Before it" not in text(app)


def test_a_queued_run_is_taken_from_the_queue(open_page):
    (run,) = queued()
    app = open_page("run", run=run.id)
    assert app.button(key="stop").label == "Take from the queue"
    app.button(key="stop").click().run()
    assert jobs.engine().queue() == []
    assert "Stopped" in app.main.markdown[0].value
    assert "Taken from the queue before it started." in app.info[0].value


def test_a_queued_run_goes_to_the_front(open_page):
    first, second = queued(2)
    app = open_page("run", run=second.id)
    app.button(key="to_front").click().run()
    assert jobs.engine().queue() == [second, first]
    assert "Queued #1" in app.main.markdown[0].value
    assert not [button for button in app.button if button.key == "to_front"]


def test_a_paused_queue_is_told_to_who_waits(open_page):
    (run,) = queued()
    jobs.engine().pause()
    app = open_page("run", run=run.id)
    assert "The queue is paused" in app.warning[0].value
    app.button(key="go_on").click().run()
    assert not jobs.engine().paused
    assert not app.warning


def test_a_run_that_is_in_no_queue_is_not_taken_for_queued(open_page, root):
    fakes.write_run(root, "a", state="queued", done=0.0)
    app = open_page("run", run="a")
    assert "Lost" in app.main.markdown[0].value
    assert "in no queue any more" in app.warning[0].value
