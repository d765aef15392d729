"""Tests of `ui/views/runs/switches.py`, on the page of all runs."""

import csv
import io

from tests.ui import fakes
from ui.components import reading
from ui.views.runs import switches


def shown(app):
    return list(app.dataframe[0].value.columns)


def test_columns_are_those_of_the_address(open_page, root):
    fakes.write_run(root, "a", evaluated=True)
    app = open_page("runs", columns="setting.seed,brier,nope,ood.photo-patches.auroc")
    assert not app.exception
    assert shown(app)[2:4] == ["Seed", "Brier score"]
    assert len(shown(app)) == 5
    columns = app.multiselect(key="filter-columns")
    assert columns.value == ["setting.seed", "brier", "ood.photo-patches.auroc"]


def test_a_choice_of_columns_goes_to_the_address_and_back_to_the_default(
    open_page, table
):
    app = open_page("runs")
    default = shown(app)
    assert app.button(key="default_columns").disabled
    app.multiselect(key="filter-columns").set_value(["nll", "minutes"]).run()
    assert app.query_params["columns"] == "nll,minutes"
    assert shown(app) == ["Open", "Run", "NLL", "Minutes"]
    app.button(key="default_columns").click().run()
    assert not app.exception
    assert "columns" not in app.query_params
    assert shown(app) == default


def test_an_address_with_nothing_but_nonsense_leaves_the_runs(open_page, table):
    app = open_page("runs", columns="<b>,../x", view="nope", archived="maybe")
    assert not app.exception
    assert shown(app) == ["Open", "Run"]
    assert len(app.dataframe[0].value) == 4


def test_groups_are_offered_where_there_are_any(open_page, table):
    assert not open_page("runs").get("button_group")[1:]


def test_groups_are_chosen_and_left(open_page, queue):
    app = open_page("runs")
    app.segmented_control(key="filter-view").set_value("groups").run()
    assert app.query_params["view"] == "groups"
    assert list(app.dataframe[0].value["Group"]) == ["mine"]
    app.segmented_control(key="filter-view").set_value("").run()
    assert "view" not in app.query_params
    assert len(app.dataframe[0].value) == 7


def test_the_files_have_what_is_shown_and_all(root):
    runs = [fakes.write_run(root, name, evaluated=True) for name in "ab"]
    views, _ = reading.summaries(runs, patience=0)
    content = switches._file(views, ["nll", "state"], [])
    first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert list(first) == ["run", "nll", "state"]
    assert float(first["nll"]) > 0
    assert second["run"] == "b"
    assert b"accuracy" in switches._file(views, None, []).splitlines()[0]


def test_files_of_what_is_shown_and_of_all_are_offered(open_page, table):
    app = open_page("runs", state="lost")
    labels = [item.label for item in app.get("download_button")]
    assert labels == ["1 run shown", "4 runs in all"]
