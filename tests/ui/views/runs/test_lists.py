"""Tests of `ui/views/runs/lists.py`, on the page of all runs."""

from tests.ui import fakes
from tests.ui.seen import text
from tests.ui.selecting import select
from trainers.runs import list_runs
from ui.views.runs import lists
from ui.views.runs.groups import Group
from ui.views.runs.lists import Courses


def test_without_time_only_what_was_read_is_told(root):
    first, second = (fakes.write_run(root, name) for name in "ab")
    assert len(Courses()(first)) == 5
    hasty = Courses(patience=-1)
    assert len(hasty(first)) == 5
    assert not hasty.pending
    assert hasty(second) is None
    assert hasty.pending


def test_a_group_opens_to_its_runs(open_page, queue):
    app = open_page("runs", view="groups", group="mine")
    assert not app.exception
    assert list(app.dataframe[0].value["Open"]) == ["Close"]
    assert len(app.dataframe[1].value) == 3
    assert "### mine" in text(app)
    assert "Differs in" in app.dataframe[1].value.columns
    app = select(app, 1)
    assert not app.button(key="stop").disabled


def test_a_group_that_is_not_there_opens_nothing(open_page, queue):
    app = open_page("runs", view="groups", group="<b>gone</b>")
    assert not app.exception
    assert len(app.dataframe) == 1
    assert "4 runs in no group" in text(app)


def test_groups_are_those_of_the_runs_that_pass(open_page, queue):
    app = open_page("runs", view="groups", state="lost")
    assert not app.exception
    assert len(app.dataframe[0].value) == 0


def test_rows_are_counted(open_page, queue):
    app = open_page("runs", state="queued")
    assert "3 of 7 runs, 3 alive" in text(app)
    assert "Select rows to act on them" in text(app)
    assert "1 selected" in text(select(app, 0))
    assert len(list_runs()) == 7


def test_a_group_goes_to_the_comparison_averaged_over_its_seeds(open_page, queue):
    app = open_page("runs", group="mine")
    app.button(key="compare_group").click().run()
    assert not app.exception
    assert (app.query_params["runs"], app.query_params["by"]) == ("group:mine", "seeds")


def test_a_click_in_a_row_means_its_group(monkeypatch):
    found = [Group(name, (), 0, (), ()) for name in "ab"]
    clicks = {"here": {"row": 1}, "gone": {"row": 2}}
    monkeypatch.setattr(lists.st, "session_state", clicks)
    assert lists._clicked("here", found) == found[1]
    assert lists._clicked("gone", found) is lists._clicked("other", found) is None
