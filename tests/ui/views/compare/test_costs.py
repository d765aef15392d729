"""Tests of `ui/views/compare/costs.py`."""

import os
import time

from tests.ui.views.compare.examples import entries_of, run_of
from trainers.status import Process
from ui.views.compare.costs import facts, resumed


def test_costs_are_told(root):
    run = run_of(root, "a", optimizer="adamw", done=0.5, state="stopped")
    entries = entries_of(run)
    told = facts(entries[0])
    assert told["Total time"] == "3 min 50 s"
    assert told["Epochs"] == "2.5 of 5"
    assert told["Seconds per epoch"] == "2"
    assert told["Test examples N"] == "240"
    assert not resumed(entries)
    empty = facts(entries_of(run_of(root, "b", evaluated=False))[0])
    assert empty["Test examples N"] == "\\-"


def test_the_pause_before_a_resume_is_no_time_of_the_run(root):
    now = time.time()
    run = run_of(
        root, "a", started=now - 90_000, ended=now,
        trainer=Process(pid=1, started=now - 120),
    )  # fmt: skip
    os.utime(run.metrics, (now - 20, now - 20))
    entries = entries_of(run)
    assert facts(entries[0])["Total time"] == "30 s"  # 10 of training, 20 after it
    assert resumed(entries)
