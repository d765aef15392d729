"""benchmarks/many_runs.py: run folders that the dashboard takes for real ones."""

import pytest

from benchmarks.many_runs import SWEEP, write_runs
from trainers.annotations import read_annotations
from trainers.runs import list_runs
from trainers.status import ENDED
from ui.components import reading


@pytest.fixture
def root(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    monkeypatch.setenv("VOGN_RUNS", str(folder))
    monkeypatch.delenv("VOGN_JOBS", raising=False)
    monkeypatch.delenv("VOGN_JOBS_URL", raising=False)
    return folder


def test_every_folder_is_a_run_and_most_belong_to_sweeps(root):
    runs = write_runs(root, 3 * SWEEP)
    assert list_runs(root) == runs
    views, trouble = reading.summaries(runs)
    assert trouble == ""
    assert {view.state for view in views} <= set(ENDED)
    finished = [view for view in views if view.state == "finished"]
    assert len(finished) > 2 * SWEEP
    assert all("nll" in view.metrics and view.ood is not None for view in finished)
    assert len({view.group for view in views}) == 3
    assert sum(not view.group for view in views) == SWEEP
    assert len({view.config.optimizer.name for view in views}) == 3
    assert sum(read_annotations(run).archived for run in runs) == len(runs) // 15


def test_the_same_seed_writes_the_same_runs(tmp_path):
    first = write_runs(tmp_path / "a", 5)
    again = write_runs(tmp_path / "b", 5)
    assert [run.id for run in first] == [run.id for run in again]
    assert first[0].metrics.read_text() == again[0].metrics.read_text()
    assert first[0].metrics.stat().st_size > 50_000
