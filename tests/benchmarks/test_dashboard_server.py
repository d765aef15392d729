"""Tests of `benchmarks/dashboard_server.py`."""

import json

from benchmarks.dashboard_server import live_run
from trainers.runs import Run
from trainers.status import RUNNING, observed


def test_a_live_run_grows_and_is_gone_afterwards(tmp_path):
    with live_run(tmp_path):
        (folder,) = tmp_path.iterdir()
        run = Run(folder)
        assert observed(run).state == RUNNING
        assert json.loads(run.metrics.read_text().splitlines()[0])["step"] == 0
    assert not run.status.exists()
