"""Tests of `ui/views/runs/actions.py`, on the page of all runs."""

from tests.ui import fakes
from tests.ui.seen import errors
from tests.ui.selecting import select
from trainers import jobs
from trainers.jobs.local import Engine
from trainers.runs import RunError, list_runs


def confirm(app, key):
    # A browser reruns the dialog alone; AppTest the page, so it is opened again.
    app.button(key="delete").click()
    return app.button(key=key).click().run()


def order(queue):
    return [queue.index(run) + 1 for run in jobs.engine().queue()]


def test_buttons_wait_for_a_selection(open_page, table):
    app = open_page("runs")
    assert {"open", "stop", "delete"}.isdisjoint(each.key for each in app.button)
    select(app, 3)
    assert not app.button(key="open").disabled
    assert app.button(key="stop").disabled  # an ended run has nothing to stop
    assert not app.button(key="delete").disabled
    select(app, 2, 3)
    assert app.button(key="open").disabled  # one at a time
    assert not app.button(key="stop").disabled


def test_open_goes_to_the_page_of_the_run(open_page, table):
    app = select(open_page("runs"), 3)
    app.button(key="open").click().run()
    assert not app.exception
    assert app.query_params["run"] == "1-done"


def test_stop_stops_the_live_ones_of_the_selection(open_page, table, monkeypatch):
    stopped = []
    monkeypatch.setattr(Engine, "stop", lambda self, run: stopped.append(run.id))
    app = select(open_page("runs"), 2, 3)
    app.button(key="stop").click().run()
    assert stopped == ["2-live"]


def test_delete_asks_first_and_deletes_what_is_named(open_page, table, monkeypatch):
    app = select(open_page("runs"), 0, 3)
    app.button(key="delete").click().run()
    assert "4-damaged\n1-done" in [item.value for item in app.code]
    assert len(list_runs()) == 4
    forgotten = []
    monkeypatch.setattr(
        "ui.components.predictions.forget", lambda run: forgotten.append(run.id)
    )
    confirm(app, "delete_for_good")
    assert forgotten == ["4-damaged", "1-done"]
    assert not app.exception
    assert [run.id for run in list_runs()] == ["3-lost", "2-live"]


def test_keep_deletes_nothing(open_page, table):
    app = select(open_page("runs"), 3)
    app.button(key="delete").click().run()
    confirm(app, "keep")
    assert len(list_runs()) == 4


def test_what_cannot_be_done_is_told(open_page, table, monkeypatch):
    def refuse(self, run):
        raise RunError(f"Run {run.id} cannot be deleted: it is running.")

    monkeypatch.setattr(Engine, "delete", refuse)
    app = select(open_page("runs"), 3)
    app.button(key="delete").click().run()
    confirm(app, "delete_for_good")
    assert "Run 1-done cannot be deleted: it is running." in errors(app)


def test_stop_takes_queued_runs_from_the_queue(open_page, queue):
    app = select(open_page("runs"), 0, 2)
    app.button(key="stop").click().run()
    assert jobs.engine().queue() == [queue[1]]


def test_the_queue_is_arranged(open_page, queue):
    app = select(open_page("runs"), 0, 1)
    app.button(key="up").click().run()
    assert order(queue) == [2, 3, 1]
    app.button(key="up").click().run()  # the selection is the same
    assert order(queue) == [2, 3, 1]
    app = select(open_page("runs"), 2)
    app.button(key="front").click().run()
    assert order(queue) == [1, 2, 3]
    app.number_input(key="new_priority").set_value(-5)
    app.button(key="set_priority").click().run()
    assert not app.exception
    assert order(queue) == [2, 3, 1]
    assert jobs.engine().state(queue[0]).priority == -5


def test_several_go_to_the_front_in_their_order(open_page, queue):
    app = select(open_page("runs"), 0, 1)
    app.button(key="front").click().run()
    assert order(queue) == [2, 3, 1]


def test_only_queued_runs_can_be_arranged(open_page, queue):
    app = select(open_page("runs"), 4, 6)
    assert not {"front", "up", "set_priority"} & {item.key for item in app.button}


def test_resume_queues_those_that_can_be_resumed(open_page, table):
    app = select(open_page("runs"), 1, 3)
    app.button(key="resume").click().run()
    assert [run.id for run in jobs.engine().queue()] == ["3-lost"]


def test_clone_opens_the_form(open_page, table):
    app = select(open_page("runs"), 3)
    app.button(key="clone").click().run()
    assert not app.exception
    assert app.query_params["clone"] == "1-done"


def test_runs_are_set_side_by_side_and_reported(open_page, table):
    for key in ("compare", "report"):
        app = select(open_page("runs"), 1, 3)
        app.button(key=key).click().run()
        assert not app.exception
        assert app.query_params["runs"] == "3-lost,1-done"


def test_more_than_ten_are_compared_only_as_seeds_of_ten_settings(open_page, root):
    for k in range(12):  # the two oldest differ in nothing
        fakes.write_run(root, f"r{k:02d}", epochs=max(1, k))
    app = select(open_page("runs"), *range(11))
    assert app.button(key="compare").disabled
    assert not select(app, *range(10)).button(key="compare").disabled
    app = select(app, *range(1, 12))
    assert app.button(key="report").disabled
    app.button(key="compare").click().run()
    assert not app.exception
    assert app.query_params["by"] == "seeds"
    assert len(app.query_params["runs"].split(",")) == 11


def test_viewers_change_nothing(open_page, queue, monkeypatch):
    app = select(open_page("runs"), 0, 4, 6)
    monkeypatch.setattr("ui.components.access.may_edit", lambda: False)
    before = jobs.engine().queue()
    app.button(key="stop").click().run()
    assert jobs.engine().queue() == before
    disabled = {item.key for item in app.button if item.disabled}
    assert {"stop", "resume", "delete", "archive"} <= disabled
    assert not app.button(key="compare").disabled
    assert "front" not in {item.key for item in app.button}
    assert select(app, 6).button(key="clone").disabled
