"""Tests of `ui/views/runs.py`."""

import pytest

from tests.ui import fakes
from tests.ui.seen import errors, text
from trainers import jobs
from trainers.runs import RunError, list_runs
from trainers.status import Process
from ui.components import reading
from ui.components.states import LOOKS
from ui.components.table import row


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


def test_every_state_can_be_shown(root):
    for state in set(LOOKS) - {"damaged"}:
        run = fakes.write_run(root, state, state="finished")
        view = reading.summary(run)
        assert row(view)["State"] == ["Finished"]


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
    monkeypatch.setattr(jobs, "stop", lambda run: stopped.append(run.id))
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
    def refuse(run):
        raise RunError(f"Run {run.id} cannot be deleted: it is running.")

    monkeypatch.setattr(jobs, "delete", refuse)
    app = select(open_page("runs"), 3)
    app.button(key="delete").click().run()
    confirm(app, "delete_for_good")
    assert "Run 1-done cannot be deleted: it is running." in errors(app)


def test_a_new_run_clears_the_selection_rather_than_moving_it(open_page, table, root):
    app = select(open_page("runs"), 3)
    fakes.write_run(root, "5-new")
    app.run()
    assert app.button(key="delete").disabled
