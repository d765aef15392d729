"""Tests of what a machine can lease, with GPUs that are made up."""

import os
import sys

import psutil
import pytest

from tests.trainers.examples import config
from trainers.jobs import inventory as module
from trainers.jobs import local, nvml
from trainers.jobs.devices import Device
from trainers.jobs.inventory import Inventory, take_inventory
from trainers.jobs.processes import ROLE, run_role

GIB = 2**30
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def gpus(monkeypatch):
    """GPUs of this machine, to be filled by a test."""
    found = []
    monkeypatch.setattr(nvml, "gpus", lambda: found)
    for name in ("CUDA_VISIBLE_DEVICES", "VOGN_CPU_SLOTS", "VOGN_MIN_FREE_MEMORY"):
        monkeypatch.delenv(name, raising=False)
    return found


def gpu(number, processes=(), free=140):
    return nvml.Gpu(
        f"GPU-{number}", number, "H200", 141 * GIB, free * GIB, tuple(processes)
    )


def test_a_machine_without_gpus_has_slots(engine, gpus, monkeypatch):
    monkeypatch.setenv("VOGN_CPU_SLOTS", "2")
    monkeypatch.setattr(module, "with_role", None)  # nobody is looked for
    seen = take_inventory(engine.store)
    assert [device.id for device in seen.devices] == ["cpu:0", "cpu:1"]
    assert seen.slots == 2
    assert seen.others == {}


def test_gpus_are_those_that_the_environment_leaves(engine, gpus, monkeypatch):
    gpus += [gpu(0), gpu(1)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("VOGN_MIN_FREE_MEMORY", "1.0")
    seen = take_inventory(engine.store)
    assert [device.id for device in seen.devices] == ["GPU-1", "cpu:0"]
    assert seen.slots == 1
    assert seen.others == {
        "GPU-1": "GPU 1 (H200) has 140.0 of 141.0 GiB free, 100 % are wanted"
    }


def test_processes_of_active_runs_are_no_strangers(engine, gpus, monkeypatch):
    monkeypatch.setattr(local, "ensure_dispatcher", lambda home, **_: True)
    (run,) = engine.submit([config()])
    with psutil.Popen(
        [sys.executable, "-c", SLEEP], env={**os.environ, ROLE: run_role(run)}
    ) as ours:
        gpus += [gpu(0, [ours.pid]), gpu(1, [os.getpid()])]
        before = take_inventory(engine.store)
        engine.store.claim(engine.store.host, lambda queue, _: ([(queue[0], [])], {}))
        after = take_inventory(engine.store)
        ours.kill()
    assert set(before.others) == {"GPU-0", "GPU-1"}  # a queued run has no processes
    assert set(after.others) == {"GPU-1"}


@pytest.mark.parametrize("name", ["VOGN_CPU_SLOTS", "VOGN_MIN_FREE_MEMORY"])
def test_settings_that_cannot_be_are_named(engine, gpus, monkeypatch, name):
    gpus.append(gpu(0))
    monkeypatch.setenv(name, "x")
    with pytest.raises(ValueError, match=f"{name} must be a .*number"):
        take_inventory(engine.store)


def test_slots_are_counted_among_all_devices():
    mixed = [Device("GPU-0", "gpu", "GPU 0"), Device("cpu:0", "cpu", "CPU slot 0")]
    assert Inventory(mixed, {}).slots == 1
