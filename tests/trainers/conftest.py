"""Fixtures of the trainer tests: a place of their own, and no process left behind."""

import psutil
import pytest
import torch

from trainers.runs import Run, RunError
from trainers.status import processes_of


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Keep runs and data in the test's folder, and one thread to a process."""
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("VOGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VOGN_SYSTEM_DATA", str(tmp_path / "system"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def ended(tmp_path):
    """End every process the test left: its children, and those its runs name."""
    before = set(psutil.Process().children(recursive=True))
    yield
    left = set(psutil.Process().children(recursive=True)) - before
    for path in tmp_path.rglob("status.json"):
        try:
            left |= set(processes_of(Run(path.parent)))
        except RunError:
            continue
    left.discard(psutil.Process())
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(list(left), timeout=10)
