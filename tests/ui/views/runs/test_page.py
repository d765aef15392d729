"""Tests of `ui/views/runs/page.py`."""

import os
import signal

import psutil

from tests.ui import fakes
from tests.ui.seen import errors, notifier, text
from tests.ui.selecting import select
from trainers import jobs
from trainers.jobs.local import Engine
from trainers.runs import RunError


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
    assert shown.iloc[0]["Message"] == "status.json does not exist."
    assert "4 runs, 1 alive" in text(app)


def test_a_single_run_is_counted_in_the_singular(open_page, root):
    fakes.write_run(root, "a")
    assert "1 run, 0 alive" in text(open_page("runs"))


def test_a_new_run_clears_the_selection_rather_than_moving_it(open_page, table, root):
    app = select(open_page("runs"), 3)
    fakes.write_run(root, "5-new")
    app.run()
    assert "delete" not in {each.key for each in app.button}
    assert "Select rows to act on them" in text(app)


def test_queued_runs_are_told_with_place_group_and_head_of_the_queue(open_page, queue):
    app = open_page("runs")
    assert not app.exception
    shown = app.dataframe[0].value
    places = [label for (label,) in shown["State"]][:3]
    assert places == ["Queued #3", "Queued #2", "Queued #1"]
    assert list(shown["Group"])[:4] == ["mine"] * 3 + [""]
    assert "**3 runs queued.** Next is " + queue[0].id in text(app)
    assert "7 runs, 4 alive" in text(app)


def test_the_queue_is_paused_and_goes_on(open_page, queue):
    app = open_page("runs")
    app.button(key="pause").click().run()
    assert jobs.engine().paused
    assert "The queue is paused" in app.warning[0].value
    app.button(key="go_on").click().run()
    assert not jobs.engine().paused
    assert not app.warning


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


def test_a_page_view_asks_the_engine_once_however_many_runs(
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
    assert asked == [30]  # whether to refresh, and the table


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
