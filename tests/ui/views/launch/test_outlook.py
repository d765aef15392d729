"""Tests of `ui/views/launch/outlook.py`."""

import os

import pytest

from tests.ui import fakes
from trainers import jobs
from trainers.jobs import launcher, nvml
from trainers.jobs.devices import CPU, GPU, Device
from trainers.jobs.local import Engine
from ui.views.launch import outlook as module
from ui.views.launch.outlook import outlook, when, where

ONE = [Device("GPU-a", GPU, "GPU 0 (H200)"), Device("cpu:0", CPU, "CPU slot 0")]
TWO = [*ONE, Device("GPU-b", GPU, "GPU 1 (H200)")]


def test_where_names_the_device_if_it_is_known():
    assert where(CPU, 1, None, 1, ONE) == "Runs on the CPU of this machine."
    assert where(CPU, 1, None, 3, ONE).endswith("machine, in 3 processes.")
    assert where(GPU, 1, None, 1, ONE) == "Runs on GPU 0 (H200)."
    assert where(GPU, 1, "GPU-b", 1, TWO) == "Runs on GPU 1 (H200)."
    assert where(GPU, 1, None, 1, TWO) == "Runs on 1 of 2 GPUs."
    assert where(GPU, 2, None, 2, TWO) == "Runs on 2 of 2 GPUs."


@pytest.mark.parametrize(
    ("ahead", "queued", "reason", "number", "told"),
    [
        (0, 0, "", 1, "The queue is empty: starts at once."),
        (0, 0, "Waits for X.", 1, "The queue is empty. Waits for X."),
        (1, 1, "Waits for X.", 1, "1 run is before it."),
        (2, 2, "", 1, "2 runs are before it."),
        (2, 2, "", 3, "2 runs are before them."),
        (0, 4, "", 1, "Nothing is before it: starts at once."),
        (0, 0, "", 3, "The queue is empty: the first starts at once, the others "
         "follow."),
    ],
)  # fmt: skip
def test_when_tells_what_stands_before_it(ahead, queued, reason, number, told):
    assert when(ahead, queued, False, reason, number) == told


def test_a_paused_queue_is_told_whatever_stands_in_it():
    assert when(3, 3, True, "").startswith("The queue is paused")


def test_what_goes_first_is_counted_without_a_look_at_the_folders(root, monkeypatch):
    engine = jobs.engine()
    for priority in (5, 0, -1):
        engine.submit([fakes.config()], priority=priority)
    monkeypatch.setattr(Engine, "states", None)
    monkeypatch.setattr(Engine, "state", None)
    assert outlook([fakes.config()], 6).when.startswith("Nothing is before it")
    assert outlook([fakes.config()], 5).when == "1 run is before it."
    assert outlook([fakes.config()], 0).when == "2 runs are before it."
    assert outlook([fakes.config()], -9).when == "3 runs are before it."


def test_a_device_that_is_held_is_told(root):
    engine = jobs.engine()
    engine.submit([fakes.config()])

    def decide(queue, leases):
        return [(queue[0], ["cpu:0"])], {}

    (job,) = engine.store.claim(engine.store.host, decide)
    seen = outlook([fakes.config()], 0)
    assert seen.where == "Runs on the CPU of this machine."
    assert seen.when == (
        f"The queue is empty. Waits for CPU slot 0: leased by run {job.run.id}."
    )


def test_a_gpu_that_somebody_else_uses_is_told(root, monkeypatch):
    gib = 2**30
    busy = nvml.Gpu("GPU-a", 0, "H200", 141 * gib, 3 * gib, (os.getpid(),))
    monkeypatch.setattr(nvml, "gpus", lambda: [busy])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    module.inventory_now.clear()
    seen = outlook([fakes.config(device="cuda")], 0)
    module.inventory_now.clear()
    assert seen.where == "Runs on GPU 0 (H200)."
    assert seen.when.startswith(
        f"The queue is empty. Waits: GPU 0 (H200) is used by process {os.getpid()}"
    )


def test_each_of_several_must_be_possible(root):
    with pytest.raises(ValueError, match="without a GPU"):
        outlook([fakes.config(), fakes.config(device="cuda")], 0)


def test_where_other_machines_decide_nothing_is_promised(root, monkeypatch):
    cluster: launcher.Launcher = object()
    monkeypatch.setattr(module, "engine", lambda: cluster)
    assert outlook([fakes.config()], 0) is None
