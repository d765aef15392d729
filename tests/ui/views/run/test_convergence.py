"""Tests of `ui/views/run/convergence.py`, on the page that shows it."""

import csv
import io
import json

import pytest

from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers.runs import read_metrics
from ui.components.series import unbroken
from ui.views.run.convergence import pace_of, table


def add(run, **row):
    with run.metrics.open("a") as file:
        file.write(json.dumps({"kind": "step", "step": 510, **row}) + "\n")


def first_of(app, name="curve-loss"):
    return charts(app)[name]["figure"]["data"][0]


def test_the_choices_stand_in_the_address_and_hold_for_all_panels(open_page, root):
    fakes.write_run(root, "a", optimizer="noisy_kfac")
    app = open_page(
        "run", run="a", curves_x="Epoch", curves_log_y="true", curves_mean="0"
    )
    assert not app.exception
    shown = charts(app)
    assert {"curve-loss", "curve-speed", "curve-damping"} <= set(shown)
    layouts = [chart["figure"]["layout"] for chart in shown.values()]
    assert {layout["xaxis"]["title"]["text"] for layout in layouts} == {"Epoch"}
    assert {layout["yaxis"].get("type") for layout in layouts} == {"log"}
    assert first_of(app)["name"] == "Training loss"  # unsmoothed


def test_the_fields_show_what_the_address_says(open_page, root):
    fakes.write_run(root, "a")
    app = open_page("run", run="a", curves_x="Time", curves_log_x="true",
                    curves_mean="9")  # fmt: skip
    assert app.segmented_control(key="curves_x").value == "Time"
    assert app.toggle(key="curves_log_x").value
    assert not app.toggle(key="curves_log_y").value
    assert app.slider(key="curves_mean").value == 9


@pytest.mark.parametrize(
    "query", [{"curves_x": "<b>"}, {"curves_mean": "400"}, {"curves_log_x": "maybe"}]
)
def test_a_bad_address_gives_the_defaults(open_page, root, query):
    fakes.write_run(root, "a")
    app = open_page("run", run="a", **query)
    assert not app.exception
    layout = charts(app)["curve-loss"]["figure"]["layout"]
    assert layout["xaxis"]["title"]["text"] == "Step"
    assert layout["xaxis"].get("type") is None


def test_another_axis_is_another_zoom_and_smoothing_is_not(open_page, root):
    fakes.write_run(root, "a")
    app = open_page("run", run="a")
    revisions = [charts(app)["curve-loss"]["revision"]]
    app.slider(key="curves_mean").set_value(20).run()
    assert charts(app)["curve-loss"]["revision"] == revisions[0]
    for key in ("curves_log_x", "curves_log_y"):
        app.toggle(key=key).set_value(True).run()
        revisions.append(charts(app)["curve-loss"]["revision"])
    app.segmented_control(key="curves_x").set_value("Time").run()
    revisions.append(charts(app)["curve-loss"]["revision"])
    assert len(set(revisions)) == 4


def test_a_resumed_run_does_not_jump_back(open_page, root):
    run = fakes.write_run(root, "a")  # 500 steps in 10 seconds
    add(run, seconds=2.0, train_loss=0.5)
    app = open_page("run", run="a", curves_x="Time", curves_mean="0")
    times = first_of(app)["x"]
    assert times == sorted(times)
    assert times[-1] == "1970-01-01 00:00:12.000"


def test_what_no_panel_knows_is_shown_under_its_name(open_page, root):
    run = fakes.write_run(root, "a")
    add(run, **{"<script>": 3.0})
    app = open_page("run", run="a")
    assert "### Other logged values" in [item.value for item in app.markdown]
    assert "**<script>**" in text(app)
    assert charts(app)["curve-other-<script>"]["figure"]["data"][0]["y"] == [3.0]


def test_rows_of_rubbish_cost_nothing(open_page, root):
    run = fakes.write_run(root, "a")
    with run.metrics.open("a") as file:
        file.write('[1]\n{"kind": 5}\n{"kind": "step", "step": "x", "lr": {}}\n')
        file.write('{"kind": "epoch", "step": 1, "epoch": [], "seconds": "late"}\n{\n')
    app = open_page("run", run="a", curves_x="Time")
    assert not app.exception
    assert not errors(app)
    assert "curve-loss" in charts(app)


def test_the_table_holds_all_numbers_of_all_rows(root):
    run = fakes.write_run(root, "a")
    add(run, note="x", extra=2.5, **{"=1+1": 1})
    rows = unbroken(read_metrics(run)[0])
    found = list(csv.DictReader(io.StringIO(table(rows).decode("utf-8-sig"))))
    assert len(found) == len(rows)
    assert list(found[0])[:4] == ["kind", "step", "epoch", "seconds"]
    assert "'=1+1" in found[0]  # which no spreadsheet runs
    assert {"posterior", "note"}.isdisjoint(found[0])
    assert found[-1] | {"extra": "2.5", "step": "510"} == found[-1]
    (last,) = [row for row in rows if row["kind"] == "epoch" and row["epoch"] == 5]
    (row,) = [row for row in found if row["kind"] == "epoch" and row["epoch"] == "5"]
    assert float(row["validation_nll"]) == last["validation_nll"]
    assert row["extra"] == ""


def test_a_long_run_is_looked_at_less_often():
    assert pace_of(0) == pace_of(10_000) == 2.0
    assert pace_of(50_000) == 10.0


def test_the_table_is_offered(open_page, root):
    fakes.write_run(root, "a")
    app = open_page("run", run="a")
    assert [b.label for b in app.download_button] == ["CSV"]
