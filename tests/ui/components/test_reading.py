"""Tests of `ui/components/reading.py`."""

import json
from unittest.mock import Mock

import pytest
from streamlit.runtime.caching import cache_utils

from tests.ui import fakes
from trainers.annotations import Annotations, write_annotations
from trainers.runs import RunError, truncate_metrics
from ui.components import engine, reading
from ui.components.reading import MetricsReader
from ui.components.states import DAMAGED


def test_metrics_are_read_on_from_where_the_last_look_ended(root, monkeypatch):
    run = fakes.write_run(root, "a", state="running", done=0.2)
    reader = MetricsReader(run)
    first = reader.rows()
    read, offsets = reading.read_new_metrics, []

    def watched(run, offset):
        offsets.append(offset)
        return read(run, offset)

    monkeypatch.setattr(reading, "read_new_metrics", watched)
    size = run.metrics.stat().st_size
    fakes.write_metrics(run, range(110, 131, 10), bayesian=True)
    assert [row["step"] for row in reader.rows()[len(first) :]] == [110, 120, 130]
    assert offsets == [size]


def test_a_half_written_line_is_read_when_it_is_whole(root):
    run = fakes.write_run(root, "a", done=0.0)
    reader = MetricsReader(run)
    before = len(reader.rows())
    with run.metrics.open("a") as file:
        file.write('{"kind": "step", "st')
    assert len(reader.rows()) == before
    with run.metrics.open("a") as file:
        file.write('ep": 7}\n')
    assert reader.rows()[-1]["step"] == 7


def test_a_resume_that_rewrites_the_file_starts_the_reading_anew(root):
    run = fakes.write_run(root, "a", done=0.5)
    reader = MetricsReader(run)
    reader.rows()
    truncate_metrics(run, 100)
    fakes.write_metrics(run, range(110, 400, 10), bayesian=True)
    steps = [row["step"] for row in reader.rows() if row["kind"] == "step"]
    assert steps == list(range(0, 400, 10))


def test_a_file_of_the_same_number_is_another_one_if_it_says_something_else(root):
    run = fakes.write_run(root, "a", done=0.5)
    reader = MetricsReader(run)
    before, content = reader.rows(), run.metrics.read_bytes()
    with run.metrics.open("r+b") as file:  # which keeps the number
        file.write(content.replace(b'"train_loss": ', b'"train_loss": 9'))
    after = reader.rows()
    assert len(after) == len(before)
    assert after[-1] != before[-1]


def test_a_file_that_did_not_change_is_not_read_again(root, monkeypatch):
    reader = MetricsReader(fakes.write_run(root, "a"))
    before = reader.rows()
    monkeypatch.setattr(reading, "read_new_metrics", None)
    assert reader.rows() == before


@pytest.mark.parametrize("hours", [0.0, 1.1])
def test_rows_are_not_kept_for_good(root, monkeypatch, hours):
    clock = [0.0]
    monkeypatch.setattr(cache_utils, "TTLCACHE_TIMER", lambda: clock[0])
    reading._reader.clear()
    monkeypatch.setattr(reading, "MetricsReader", Mock())
    runs = [fakes.write_run(root, name) for name in "ab"]
    for run in (*runs, *runs):
        reading.metrics(run)
    assert reading.MetricsReader.call_count == 2
    clock[0] += 3600 * hours
    if not hours:
        reading.forget(runs[0])
        reading.forget(runs[0])
    for run in runs:
        reading.metrics(run)
    assert reading.MetricsReader.call_count == (4 if hours else 3)
    reading._reader.clear()


def test_a_run_at_a_glance(root):
    view = reading.summary(fakes.write_run(root, "a", evaluated=True))
    assert (view.state, view.problem) == ("finished", "")
    assert view.config.dataset.name == "digits"
    assert 0 < view.metrics["accuracy"] <= 1


def test_a_new_evaluation_is_noticed(root):
    run = fakes.write_run(root, "a")
    assert reading.summary(run).metrics == {}
    assert reading.evaluation(run) is None
    fakes.write_evaluation(run, "digits", bayesian=True)
    assert reading.summary(run).metrics["nll"] > 0


@pytest.mark.parametrize("name", ["config", "status"])
def test_a_damaged_folder_is_told_with_the_file_and_without_its_path(root, name):
    run = fakes.write_run(root, "a")
    getattr(run, name).write_text("{nope")
    view = reading.summary(run)
    assert view.state == DAMAGED
    assert f"{name}.json cannot be read" in view.problem
    assert str(root) not in view.problem


def test_a_configuration_of_another_version_is_damaged_too(root):
    run = fakes.write_run(root, "a")
    run.config.write_text(json.dumps({"schema": 99}))
    assert "schema must be 1, got 99" in reading.summary(run).problem


def test_a_damaged_evaluation_leaves_the_run_finished(root):
    run = fakes.write_run(root, "a")
    run.evaluation.write_text('{"schema": 1}')
    view = reading.summary(run)
    assert view.state == "finished"
    assert view.problem == "evaluation.json is not an evaluation: it has no metrics."


def test_only_ids_find_runs_no_paths(root, tmp_path):
    run = fakes.write_run(root, "a")
    fakes.write_run(tmp_path, "outside")
    assert reading.find("a") == run
    for name in ("b", "", "../outside", str(tmp_path / "outside"), ".", "a/../a"):
        assert reading.find(name) is None


@pytest.mark.parametrize("value", [{"created": 1e300}, {"message": 5}, {"phase": None}])
def test_a_status_that_no_page_could_show_is_damaged(root, value):
    run = fakes.write_run(root, "a")
    run.status.write_text(json.dumps(json.loads(run.status.read_text()) | value))
    view = reading.summary(run)
    assert view.state == DAMAGED
    assert next(iter(value)) in view.problem


def test_a_metric_that_is_no_number_is_left_out_at_a_glance(root):
    run = fakes.write_run(root, "a", evaluated=True)
    content = json.loads(run.evaluation.read_text())
    content["metrics"] |= {"accuracy": "high", "ece": None}
    run.evaluation.write_text(json.dumps(content))
    shown = reading.summary(run).metrics
    assert "nll" in shown
    assert not {"accuracy", "ece"} & set(shown)


def test_what_was_seen_already_is_given_once_and_then_looked_for_anew(root):
    run = fakes.write_run(root, "a", state="stopped")
    first = reading.summaries([run])
    look = reading.once_given(first, lambda: reading.summaries([run]))
    run.status.unlink()
    assert look() is first
    for _ in range(2):
        (view,), _ = look()
        assert view.state == DAMAGED


def test_many_runs_are_read_with_one_question(root, monkeypatch):
    asked = []
    states = engine.states

    def counting(runs):
        asked.append(len(runs))
        return states(runs)

    monkeypatch.setattr(engine, "states", counting)
    runs = [fakes.write_run(root, name) for name in "abc"]
    runs[1].status.unlink()
    views, trouble = reading.summaries(runs)
    assert asked == [3]
    assert [view.state for view in views] == ["finished", DAMAGED, "finished"]
    assert trouble == ""


def test_without_an_engine_the_folders_are_believed(root, monkeypatch):
    def broken(runs):
        raise RunError("no store")

    monkeypatch.setattr(engine, "states", broken)
    (view,), trouble = reading.summaries([fakes.write_run(root, "a")])
    assert (view.state, view.position, view.group) == ("finished", None, "")
    assert trouble == "no store"


def test_what_people_say_is_seen_and_read_again_when_it_changes(root):
    run = fakes.write_run(root, "a")
    assert reading.summary(run).annotations == Annotations()
    write_annotations(run, Annotations(tags=("best",)))
    assert reading.summary(run).annotations.tags == ("best",)
    write_annotations(run, Annotations(archived=True))
    assert reading.summary(run).annotations.archived


def test_damaged_annotations_cost_nothing_else(root):
    run = fakes.write_run(root, "a", evaluated=True)
    run.annotations.write_text("{")
    view = reading.summary(run)
    assert view.state == "finished"
    assert view.metrics
    assert "annotations.json cannot be read" in view.problem
    assert str(root) not in view.problem


def test_a_damaged_run_still_says_what_people_wrote(root):
    run = fakes.write_run(root, "a")
    write_annotations(run, Annotations(archived=True))
    run.status.unlink()
    view = reading.summary(run)
    assert view.state == DAMAGED
    assert view.annotations.archived


def test_without_patience_a_screenful_is_read_and_the_rest_is_pending(
    root, monkeypatch
):
    monkeypatch.setattr(reading, "SCREENFUL", 2)
    runs = [fakes.write_run(root, f"r{k}", evaluated=True) for k in range(4)]
    views, _ = reading.summaries(runs, patience=0)
    assert [view.pending for view in views] == [False, False, True, True]
    assert [bool(view.metrics) for view in views] == [True, True, False, False]
    assert {view.state for view in views} == {"finished"}
    views, _ = reading.summaries(runs)
    assert not any(view.pending for view in views)
    views, _ = reading.summaries(runs, patience=0)  # all were read
    assert not any(view.pending for view in views)


def test_numbers_of_out_of_distribution_sets_are_seen(root):
    view = reading.summary(fakes.write_run(root, "a", evaluated=True))
    assert 0 <= view.ood["photo-patches"]["auroc"] <= 1
