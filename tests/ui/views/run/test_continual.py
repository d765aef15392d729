"""Tests of `ui/views/run/continual.py`, on the page that shows it."""

import json

import pytest

from tests.trainers.continual.examples import record, settings
from tests.ui import fakes
from tests.ui.seen import charts, errors, text
from trainers import status
from trainers.continual.findings import columns, final_rows, verdict
from trainers.continual.record import Record, record_path, write_record
from trainers.parcel.deployment import offers_posterior
from trainers.runs import load_config
from ui.views.run.continual import told
from ui.views.run.page import TASK_TABS


@pytest.fixture
def run(root):
    run = fakes.write_run(root, "a")
    write_record(run, record())
    return run


def test_the_page_opens_on_it_with_lines_map_and_table(open_page, run):
    app = open_page("run", run="a")
    assert not app.exception
    assert not app.error
    assert "Continual learning on Digits" in text(app)
    assert not {"compare", "report", "clone"} & {each.key for each in app.button}
    assert [tab.label for tab in app.tabs] == list(TASK_TABS)
    shown = charts(app)
    lines = {t["name"]: t["y"] for t in shown["continual-average"]["figure"]["data"]}
    assert lines["VOGN"] == pytest.approx([0.9, 0.85, 0.8])
    assert set(lines) == {"VOGN", "EWC", "Joint training"}
    (heat,) = shown["continual-tasks"]["figure"]["data"]
    assert heat["z"][1] == [0.8, 0.9, None]
    assert verdict(record()) in text(app).replace("**", "")
    table = app.table[0].value
    assert list(table.columns) == list(columns(record()))
    assert [tuple(row) for row in table.to_numpy()] == final_rows(record())


def test_the_method_of_the_map_comes_from_the_address(open_page, run):
    app = open_page("run", run="a", tab="Continual", continual_of="EWC")
    (heat,) = charts(app)["continual-tasks"]["figure"]["data"]
    assert heat["z"] == [[0.9, None], [0.6, 0.8]]
    assert "Accuracy of EWC on each task" in text(app)
    app = open_page("run", run="a", continual_of="<script>")
    assert not app.exception
    assert "Accuracy of VOGN on each task" in text(app)


@pytest.mark.parametrize("tab", TASK_TABS)
def test_no_tab_fails(open_page, run, tab):
    app = open_page("run", run="a", tab=tab)
    assert not app.exception
    assert not app.error


def test_the_list_of_runs_shows_it(open_page, run):
    app = open_page("runs")
    assert not app.exception
    assert not app.error


def test_other_runs_have_no_such_tab(open_page, root):
    fakes.write_run(root, "b")
    app = open_page("run", run="b", tab="Continual")
    assert not app.exception
    assert "Continual" not in [tab.label for tab in app.tabs]


def test_before_the_first_task_it_says_so(open_page, root):
    run = fakes.write_run(root, "b", state=status.QUEUED)
    write_record(run, Record(settings=settings()))
    app = open_page("run", run="b")
    assert not app.exception
    assert "The first accuracies appear here" in text(app)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"schema": 9})])
def test_a_damaged_record_costs_the_tab(open_page, run, content):
    record_path(run).write_text(content)
    app = open_page("run", run="a")
    assert not app.exception
    assert "continual.json" in errors(app)
    assert not charts(app)


def test_the_tasks_are_told_in_words():
    assert told(record()) == (
        "3 tasks: the same 120 training images of Digits (8x8), their pixels in "
        "another order in each. 1 epoch a task, an MLP with 8 hidden units and one "
        "head; accuracy on the 360 test images. VOGN's prior counts a task 6 times; "
        "EWC's penalty weighs 1."
    )
    alone = Record(settings=settings(methods=("adamw",), validate=True, num_train=0))
    assert "the same training images" in told(alone)
    assert told(alone).endswith("accuracy on the held-out images.")


def test_the_posterior_is_offered_as_a_prior(open_page, run):
    run.posterior.write_bytes(b"weights")
    app = open_page("run", run="a", tab="Downloads")
    assert "which is the prior for one more task" in text(app)
    assert "build_model" not in text(app)
    assert not offers_posterior(run, load_config(run))
    record_path(run).unlink()
    assert offers_posterior(run, load_config(run))


def test_its_configuration_repeats_the_tasks_and_launches_no_training(open_page, run):
    app = open_page("run", run="a", tab="Configuration")
    assert app.code[0].value.startswith("python -m trainers continual")
    assert "launch_again" not in {each.key for each in app.button}
