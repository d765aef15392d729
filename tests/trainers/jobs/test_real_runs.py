"""Real trainings by the real engine: order, torchrun, stop and resume bit for bit."""

import time

import psutil
import pytest
import torch

from tests.trainers.examples import config, rows_of, wait_for, wait_for_step
from tests.trainers.jobs.conftest import dispatchers
from trainers.checkpoint import LAST
from trainers.runs import read_json
from trainers.status import ALIVE, read_status

pytestmark = pytest.mark.slow
SECONDS = 120.0  # two trainings beside another test on two cores

DIGITS = {"dataset": "digits", "model": "mlp", "optimizer": "vogn"}
# A mini-batch of 64 of 1,257 images: 20 steps an epoch, the last with 41 images.
TWO_RANKS = {
    **DIGITS,
    "training": {
        "batch_size": 64, "epochs": 8, "log_interval": 5, "num_processes": 2,
    },
}  # fmt: skip


@pytest.fixture
def real(engine, monkeypatch):
    """The engine with the real trainer, and patience for its checkpoints."""
    monkeypatch.delenv("VOGN_TRAINER")
    monkeypatch.setenv("VOGN_STOP_GRACE", "30")
    return engine


def wait_for_end(engine, *runs):
    wait_for(
        lambda: all(engine.state(r).status.state not in ALIVE for r in runs), SECONDS
    )
    return [engine.state(run).status for run in runs]


def test_two_runs_on_one_slot_finish_in_order(real):
    short = config(**DIGITS, training={"epochs": 2})
    runs = real.submit([short, short])
    first, second = wait_for_end(real, *runs)
    assert (first.state, second.state) == ("finished", "finished"), (first, second)
    assert second.started >= first.ended
    for run in runs:
        assert read_json(run.evaluation)["metrics"]["accuracy"] > 0.5
        assert "100%" in run.log.read_text()


def test_two_ranks_are_stopped_and_resumed_bit_for_bit(real):
    whole, parted = real.submit([config(**TWO_RANKS)] * 2)
    wait_for_step(whole)
    (status,) = wait_for_end(real, whole)
    assert status.state == "finished", status
    wait_for_step(parted, 30)
    real.stop(parted)
    (stopped,) = wait_for_end(real, parted)
    assert (stopped.state, stopped.message) == ("stopped", "Stopped on request.")
    assert 30 <= stopped.step < 160
    real.resume(parted)
    (finished,) = wait_for_end(real, parted)
    assert finished.state == "finished", finished
    assert len(finished.workers) == 1
    ours, theirs = (
        torch.load(run.checkpoint / LAST, weights_only=True) for run in (parted, whole)
    )
    assert ours["progress"]["step"] == theirs["progress"]["step"] == 160
    assert_same(ours["model"], theirs["model"])
    assert_same(ours["optimizer"], theirs["optimizer"])
    assert rows_of(parted) == rows_of(whole)
    ours, theirs = (read_json(run.evaluation) for run in (parted, whole))
    assert ours["metrics"] == theirs["metrics"]


def assert_same(ours, theirs):
    """Equal to the last bit, in every nested tensor."""
    if isinstance(theirs, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            assert_same(ours[key], value)
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert ours == theirs


def test_a_killed_dispatcher_costs_a_training_nothing(real):
    (run,) = real.submit([config(**DIGITS, training={"epochs": 4})])
    wait_for_step(run, 3)
    trainer = read_status(run).trainer
    (dispatcher,) = dispatchers(real.home)
    dispatcher.kill()
    (status,) = wait_for_end(real, run)
    assert (status.state, status.trainer) == ("finished", trainer)
    wait_for(lambda: real.store.get(run.path).stage == "ended")  # by its successor


def test_an_idle_dispatcher_costs_next_to_nothing(real):
    """Under one hundredth of a core and 60 MB, as is asked."""
    real.unpause()
    process = wait_for(lambda: dispatchers(real.home))[0]
    log = real.home.dispatcher_log
    wait_for(lambda: log.exists() and "begins" in log.read_text())
    time.sleep(2.0)  # its first looks at everything are over
    before, since = _seconds(process), time.monotonic()
    time.sleep(8.0)
    share = (_seconds(process) - before) / (time.monotonic() - since)
    memory = process.memory_info().rss / 1e6
    assert share < 0.01, share
    assert memory < 60, memory


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
