"""Tests of `ui/views/runs.py`."""

import os
import signal

import psutil
import pytest

from tests.ui import fakes
from tests.ui.seen import errors, notifier, text
from trainers import jobs
from trainers.jobs.local import Engine
from trainers.runs import RunError, list_runs
from trainers.status import Process


def select(app, *rows):
    """Select rows as a click does; AppTest has no way of its own."""
    (key,) = [k for k in app.session_state.to_dict() if _is_table(k)]
    app.session_state[key] = {"selection": {"rows": list(rows), "columns": []}}
    return app.run()


def confirm(app, key):
    # A browser reruns the dialog alone; AppTest the page, so it is opened again.
    app.button(key="delete").click()
    return app.button(key=key).click().run()


def _is_table(key):
    return key.startswith("runs-") and not key.endswith("-open")


@pytest.fixture
def table(root, alive):
    """Four runs; row 0 is the newest."""
    fakes.write_run(root, "1-done", evaluated=True)
    fakes.write_run(root, "2-live", state="running", trainer=Process.of(alive))
    fakes.write_run(root, "3-lost", state="running")
    damaged = root / "4-damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")


def test_without_runs_a_newcomer_is_told_what_to_do(open_page):
    app = open_page("runs")
    assert not app.exception
    assert "No runs yet" in text(app)
    assert not app.dataframe


def test_the_table_tells_what_each_run_is_and_how_good(open_page, table):
    app = open_page("runs")
    assert not app.exception
    shown = app.dataframe[0].value
    assert list(shown["Run"]) == ["4-damaged", "3-lost", "2-live", "1-done"]
    states = [label for (label,) in shown["State"]]
    assert states == ["Damaged", "Lost", "Running", "Finished"]
    done = shown.iloc[3]
    assert (done["Dataset"], done["Model"], done["Optimizer"]) == (
        "Digits (8x8)", "MLP", "VOGN",
    )  # fmt: skip
    assert 50 < done["Accuracy"] <= 100
    assert shown.iloc[0]["Note"] == "status.json does not exist."
    assert "4 runs, 1 alive" in text(app)


def test_buttons_wait_for_a_selection(open_page, table):
    app = open_page("runs")
    assert all(app.button(key=k).disabled for k in ("open", "stop", "delete"))
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


def test_delete_asks_first_and_deletes_what_is_named(open_page, table):
    app = select(open_page("runs"), 0, 3)
    app.button(key="delete").click().run()
    assert "4-damaged\n1-done" in [item.value for item in app.code]
    assert len(list_runs()) == 4
    confirm(app, "delete_for_good")
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


def test_a_new_run_clears_the_selection_rather_than_moving_it(open_page, table, root):
    app = select(open_page("runs"), 3)
    fakes.write_run(root, "5-new")
    app.run()
    assert app.button(key="delete").disabled


@pytest.fixture
def queue(table, root):
    """Three queued runs above the table's four; row 0 is the last one."""
    configs = [fakes.config(seed=k) for k in range(3)]
    paths = [root / f"9-{k}" for k in range(3)]
    return jobs.engine().submit(configs, paths=paths, group="mine")


def order(queue):
    return [queue.index(run) + 1 for run in jobs.engine().queue()]


def test_queued_runs_are_told_with_place_group_and_head_of_the_queue(open_page, queue):
    app = open_page("runs")
    assert not app.exception
    shown = app.dataframe[0].value
    places = [label for (label,) in shown["State"]][:3]
    assert places == ["Queued #3", "Queued #2", "Queued #1"]
    assert list(shown["Group"])[:4] == ["mine"] * 3 + [""]
    assert "**3 runs queued.** Next is " + queue[0].id in text(app)
    assert "7 runs, 4 alive" in text(app)


def test_runs_are_filtered_by_the_group_of_the_address(open_page, queue):
    app = open_page("runs", group="mine")
    shown = app.dataframe[0].value
    assert list(shown["Run"]) == [run.id for run in reversed(queue)]
    assert list(shown["Differs in"]) == ["seed 2", "seed 1", "seed 0"]
    assert "3 of 7 runs" in text(app)
    app.selectbox(key="filter-group").set_value(None).run()
    assert len(app.dataframe[0].value) == 7
    assert "group" not in app.query_params


def test_runs_are_filtered_by_state(open_page, queue):
    app = open_page("runs")
    app.pills(key="filter-state").set_value("queued").run()
    assert len(app.dataframe[0].value) == 3
    assert app.query_params["state"] == "queued"
    app = open_page("runs", state="lost")
    assert list(app.dataframe[0].value["Run"]) == ["3-lost"]


def test_a_filter_that_fits_nothing_can_be_left(open_page, queue):
    app = open_page("runs", group="gone")
    assert not app.exception
    assert len(app.dataframe[0].value) == 0
    app.selectbox(key="filter-group").set_value(None).run()
    assert len(app.dataframe[0].value) == 7
    assert len(open_page("runs", state="<b>").dataframe[0].value) == 7


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


def test_the_queue_is_paused_and_goes_on(open_page, queue):
    app = open_page("runs")
    app.button(key="pause").click().run()
    assert jobs.engine().paused
    assert "The queue is paused" in app.warning[0].value
    app.button(key="go_on").click().run()
    assert not jobs.engine().paused
    assert not app.warning


def test_resume_queues_those_that_can_be_resumed(open_page, table):
    app = select(open_page("runs"), 1, 3)
    app.button(key="resume").click().run()
    assert [run.id for run in jobs.engine().queue()] == ["3-lost"]


def test_clone_opens_the_form(open_page, table):
    app = select(open_page("runs"), 3)
    app.button(key="clone").click().run()
    assert not app.exception
    assert app.query_params["clone"] == "1-done"


def test_without_an_engine_the_list_is_shown_with_the_reason(
    open_page, table, monkeypatch
):
    def broken(self, runs):
        raise RunError("the job store cannot be reached.")

    monkeypatch.setattr(Engine, "states", broken)
    app = open_page("runs")
    assert not app.exception
    assert "the job store cannot be reached." in errors(app)
    assert len(app.dataframe[0].value) == 4


def test_one_refresh_asks_the_engine_once_however_many_runs(
    open_page, root, monkeypatch
):
    asked = []
    states = Engine.states
    for k in range(30):
        fakes.write_run(root, f"r{k:02d}", done=0.0)

    def counting(self, runs):
        asked.append(len(runs))
        return states(self, runs)

    monkeypatch.setattr(Engine, "states", counting)
    monkeypatch.setattr(Engine, "state", None)
    app = open_page("runs")
    assert not app.exception
    assert asked == [30, 30]  # whether to refresh, and the table


def test_ends_are_told_of_runs_that_were_alive_in_the_list(open_page, table, alive):
    app = open_page("runs")
    assert notifier(app)["visible"]
    os.kill(alive, signal.SIGKILL)
    until_dead(alive)
    app.run()
    (told,) = notifier(app)["ends"]
    assert told["title"] == "Run 2-live lost"


def until_dead(pid):
    psutil.Process(pid).wait(timeout=10)
