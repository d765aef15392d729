"""Tests of `ui/views/runs/filters.py`, on the page of all runs."""

from tests.ui.seen import text


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
