"""Tests of `ui/views/report/page.py`."""

import pytest

from tests.trainers.continual.examples import record
from tests.ui import fakes
from tests.ui.seen import text
from trainers.continual.record import write_record
from trainers.runs import Run
from ui.components.reading import summary
from ui.views.report.page import MAX_RUNS, folder_of, is_ready


@pytest.fixture
def three(root):
    for name, optimizer in (("a", "vogn"), ("b", "adamw"), ("c", "sp_ngd")):
        fakes.write_run(root, name, optimizer=optimizer, evaluated=True)
    fakes.write_run(root, "d", state="failed")


def chooser(app):
    return app.multiselect(key="report-runs")


def test_without_a_finished_run_it_says_where_to_begin(open_page, root):
    fakes.write_run(root, "d", state="stopped")
    app = open_page("report")
    assert not app.exception
    assert "No finished run yet" in text(app)


def test_finished_runs_are_offered_and_the_choice_is_in_the_address(open_page, three):
    app = open_page("report")
    assert not app.exception
    assert len(chooser(app).options) == 3
    assert "Choose one run" in app.info[0].value
    chooser(app).set_value(["b", "a"]).run()
    assert app.query_params["runs"] == "b,a"
    again = open_page("report", runs="b,a")
    assert chooser(again).value == ["b", "a"]
    assert "Its preview and its files appear here." in text(again)
    chooser(again).set_value([]).run()
    assert "runs" not in again.query_params


def test_strange_names_in_the_address_are_told(open_page, three):
    app = open_page("report", runs="a,<script>_x_,d,a")
    assert not app.exception
    assert chooser(app).value == ["a"]
    assert "'<script>_x_', 'd'" in app.warning[0].value.replace("\\", "")
    assert "\\<script\\>" in app.warning[0].value


def test_too_many_runs_are_cut(open_page, root):
    names = [f"r{k:02d}" for k in range(MAX_RUNS + 2)]
    for name in names:
        fakes.write_run(root, name, epochs=1)
    app = open_page("report", runs=",".join(names))
    assert not app.exception
    assert chooser(app).value == names[:MAX_RUNS]
    assert f"the first {MAX_RUNS}" in app.warning[0].value


def test_a_report_of_one_run_lies_in_its_folder_and_others_beside(root):
    one, two = Run(root / "a"), Run(root / "b")
    assert folder_of([one]) == root / "a" / "report"
    assert folder_of([one, two]).is_relative_to(root / ".reports")
    assert folder_of([one, two]) != folder_of([two, one])


def test_a_run_of_tasks_has_no_report(root):
    run = fakes.write_run(root, "a", evaluated=True)
    assert is_ready(summary(run))
    write_record(run, record())
    assert not is_ready(summary(run))
