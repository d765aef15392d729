"""Tests of what a running run tells the world."""

import math

import pytest

from trainers import reporting
from trainers.reporting import Reporter, SilentReporter
from trainers.runs import Run, read_metrics
from trainers.status import RUNNING, Process, Status, read_status


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def reporter(run, show_bar=False):
    return Reporter(run, Status(state=RUNNING, created=1.0), show_bar)


def test_metric_lines_are_there_at_once(run):
    with reporter(run) as reports:
        reports.log({"step": 1, "loss": math.nan})
        assert read_metrics(run)[0] == [{"step": 1, "loss": None}]
        reports.log({"step": 2})
    assert len(read_metrics(run)[0]) == 2


def test_steps_count_in_training_only(run, monkeypatch):
    monkeypatch.setattr(reporting, "STATUS_INTERVAL", -1.0)
    with reporter(run) as reports:
        reports.phase("loading", 0)
        assert read_status(run).phase == "loading"
        reports.phase("training", 10, 4)
        reports.advance()
        status = read_status(run)
        assert (status.step, status.total_steps) == (5, 10)
        reports.phase("evaluating", 3)
        reports.advance()
        status = read_status(run)
        assert (status.phase, status.step, status.total_steps) == ("evaluating", 5, 10)


def test_the_status_is_written_now_and_then_only(run, monkeypatch):
    written = []
    real = reporting.write_status
    monkeypatch.setattr(
        reporting, "write_status", lambda *a: written.append(1) or real(*a)
    )
    with reporter(run) as reports:
        reports.phase("training", 100)
        for _ in range(100):
            reports.advance()
    assert 1 <= len(written) < 50
    assert reports.status.step == 100


def test_evaluation_keeps_the_heart_beating(run, monkeypatch):
    monkeypatch.setattr(reporting, "STATUS_INTERVAL", -1.0)
    with reporter(run) as reports:
        reports.phase("evaluating", 3)
        before = read_status(run).heartbeat
        reports.advance()
        assert read_status(run).heartbeat > before


def test_the_bar_shows_the_numbers(run, capsys):
    with reporter(run, show_bar=True) as reports:
        reports.phase("training", 3)
        reports.advance()
        reports.show({"loss": 0.25, "accuracy": 0.5})
        for _ in range(2):
            reports.advance()
        reports.phase("evaluating", 2)
        reports.advance()
    screen = capsys.readouterr().err
    assert "training: 100%" in screen
    assert "loss=0.2500, accuracy=0.5000" in screen
    assert "evaluating" in screen


def test_no_bar_where_none_is_wanted(run, capsys):
    with reporter(run) as reports:
        reports.phase("training", 3)
        reports.advance()
        reports.show({"loss": 0.25})
    assert capsys.readouterr().err == ""


def test_a_rank_that_leaves_telling_to_others_writes_nothing(run):
    with SilentReporter(run, Status(state=RUNNING, created=1.0)) as reports:
        reports.phase("training", 10)
        reports.advance()
        reports.log({"step": 1})
        reports.show({"loss": 1.0})
        assert reports.status.step == 1
    assert list(run.path.iterdir()) == []


def test_the_other_ranks_are_noted(run):
    workers = (Process.current(),)
    with reporter(run) as reports:
        reports.note_workers(workers)
    assert read_status(run).workers == workers
