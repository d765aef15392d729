"""Tests of `ui/views/runs/filters.py`, on the page of all runs."""

import pytest

from tests.ui import fakes
from tests.ui.seen import text
from trainers.annotations import Annotations, write_annotations
from ui.components import reading
from ui.views.runs.filters import _holds


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


@pytest.fixture
def several(root):
    """Runs of two optimizers and two datasets, one with words of people."""
    fakes.write_run(root, "a", optimizer="sgd", model="lenet5")
    run = fakes.write_run(root, "b", dataset="moons")
    write_annotations(run, Annotations(tags=("best", "<b>x</b>"), note="Second Look"))
    write_annotations(fakes.write_run(root, "c"), Annotations(archived=True))


def ids(app):
    return list(app.dataframe[0].value["Run"])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("mlp", ["b"]), ("lenet", ["a"]), ("SGD", ["a"]), ("moons vogn", ["b"]),
        ("sgd moons", []),
        ("second", ["b"]), ("best", ["b"]), ("multi", []), ("<b>", ["b"]),
        ("[", []), ("  ", ["b", "a"]),
    ],
)  # fmt: skip
def test_words_are_searched_for(several, words, found):
    views, _ = reading.summaries([reading.find(name) for name in "ba"])
    terms = words.casefold().split()
    assert [view.run.id for view in views if _holds(view, terms)] == found


def test_a_search_goes_to_the_address_and_is_left(open_page, several):
    app = open_page("runs")
    app.text_input(key="filter-search").set_value("sgd").run()
    assert app.query_params["search"] == "sgd"
    assert ids(app) == ["a"]
    app = open_page("runs", search="moons <B>")
    assert app.text_input(key="filter-search").value == "moons <B>"
    assert ids(app) == ["b"]
    app.text_input(key="filter-search").set_value("").run()
    assert "search" not in app.query_params
    assert ids(app) == ["b", "a"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("optimizer", "sgd", ["a"]), ("model", "lenet5", ["a"]),
        ("dataset", "moons", ["b"]), ("tag", "best", ["b"]),
        ("kind", "first_order", ["a"]),
    ],
)  # fmt: skip
def test_one_of_the_values_is_chosen(open_page, several, name, value, found):
    assert ids(open_page("runs", **{name: value})) == found
    app = open_page("runs")
    app.selectbox(key=f"filter-{name}").set_value(value).run()
    assert app.query_params[name] == value
    assert ids(app) == found
    app.selectbox(key=f"filter-{name}").set_value(None).run()
    assert name not in app.query_params
    assert ids(app) == ["b", "a"]


def test_filters_go_together_and_states_are_counted_after_them(open_page, several):
    app = open_page("runs", optimizer="vogn", tag="best", search="second")
    assert ids(app) == ["b"]
    (state,) = app.pills(key="filter-state").options
    assert state.endswith("Finished 1")


def test_values_that_cannot_be_are_passed_over(open_page, several):
    app = open_page(
        "runs", optimizer="<b>", dataset="../etc", model="x", archived="1", kind="<i>"
    )
    assert not app.exception
    assert ids(app) == ["b", "a"]


def test_a_tag_that_nobody_has_fits_nothing_and_can_be_left(open_page, several):
    app = open_page("runs", tag="gone")
    assert not app.exception
    assert ids(app) == []
    app.selectbox(key="filter-tag").set_value(None).run()
    assert ids(app) == ["b", "a"]


def test_the_archive_is_shown_in_place_of_the_rest(open_page, several):
    app = open_page("runs")
    assert app.toggle(key="filter-archived").label == "Archived (1)"
    app.toggle(key="filter-archived").set_value(True).run()
    assert app.query_params["archived"] == "yes"
    assert ids(app) == ["c"]
    app.toggle(key="filter-archived").set_value(False).run()
    assert "archived" not in app.query_params


def test_what_offers_no_choice_is_not_shown(open_page, root):
    fakes.write_run(root, "a")
    app = open_page("runs")
    assert not app.selectbox
    assert not app.toggle
