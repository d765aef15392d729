"""Tests of what devices there are, which are occupied, and of their settings."""

import os
import subprocess
import sys

import psutil
import pytest

from tests.trainers.jobs.machines import BOARDS, GIB, SPLIT, UUIDS, gpu
from trainers.jobs import devices
from trainers.jobs.devices import (
    Device,
    cpu_slots,
    inventory,
    minimum_free_share,
    occupied,
    threads,
    visible,
)


def gone():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# --- visible ---


@pytest.mark.parametrize(
    ("variable", "indices"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("-1", []),
        ("2,1", [2, 1]),
        ("0,2,-1,1", [0, 2]),  # the guide's own examples
        ("GPU-8932f937", [0]),
        ("0,4,1", [0]),
        ("0,x,1", [0]),
        ("0,,1", [0]),
        (" 3, 0", [3, 0]),
        ("+1", [1]),
        ("1x,2y", [1, 2]),
        ("NoDevFiles", []),
        ("9" * 5000, []),
        ("1,1", []),  # repeated: none at all
        ("0,1,0", []),
        ("GPU-8932", []),  # ambiguous
        ("GPU-", []),
        ("GPU-20,GPU-8932,GPU-77", [2]),
        ("GPU-77,GPU-8932a,GPU-20bd9fae-d9f6", [3, 1, 2]),
        ("GPU-77,GPU-77-1", []),
        ("GPU-77,0", [3]),  # the first entry sets the kind of all
        ("0,GPU-77", [0]),
        ("gpu-77", []),
        ("GPU-77-12", []),
        ("MIG-GPU-77", []),
    ],
)
def test_visible_follows_cuda(variable, indices):
    assert [each.index for each in visible(BOARDS, variable)] == indices


def test_nothing_is_visible_on_a_machine_without_gpus():
    assert visible([], None) == visible([], "0") == visible([], UUIDS[0]) == []


@pytest.mark.parametrize(
    ("variable", "uuids"),
    [
        (None, ["GPU-a", "MIG-one", "MIG-two", "GPU-c"]),
        ("MIG-two", ["MIG-two"]),
        ("MIG-two,MIG-o", ["MIG-two", "MIG-one"]),
        ("MIG-", []),
        ("MIG-GPU-whole/8/0", ["MIG-two"]),
        ("MIG-GPU-whole/8", []),
        ("MIG-two,MIG-GPU-whole/8/0", []),  # the same one twice
        ("MIG-one,GPU-a", ["MIG-one"]),
        ("2,1,0", ["GPU-c", "MIG-one", "GPU-a"]),
        ("GPU-whole", ["MIG-one"]),
        ("GPU-c,GPU-w", ["GPU-c", "MIG-one"]),
    ],
)
def test_visible_knows_the_instances_of_a_split_gpu(variable, uuids):
    assert [each.uuid for each in visible(SPLIT, variable)] == uuids


# --- settings ---


@pytest.mark.parametrize(
    ("variable", "slots"), [(None, 1), ("", 1), ("1", 1), ("16", 16), ("4096", 4096)]
)
def test_cpu_slots(variable, slots):
    assert cpu_slots(variable) == slots


@pytest.mark.parametrize(
    "variable", ["0", "-1", "4097", "1.5", "two", " ", "1_0", "٣", "9" * 5000]
)
def test_cpu_slots_must_be_a_whole_number_in_range(variable):
    with pytest.raises(ValueError, match=r"^VOGN_CPU_SLOTS must be .* got "):
        cpu_slots(variable)


@pytest.mark.parametrize(
    ("variable", "share"),
    [(None, 0.8), ("", 0.8), ("1", 1.0), ("0.05", 0.05), ("1e-3", 0.001)],
)
def test_minimum_free_share(variable, share):
    assert minimum_free_share(variable) == share


@pytest.mark.parametrize("variable", ["0", "-0.1", "1.01", "80 %", "nan", "inf"])
def test_minimum_free_share_must_be_in_range(variable):
    with pytest.raises(ValueError, match=r"^VOGN_MIN_FREE_MEMORY must be .* got "):
        minimum_free_share(variable)


# --- inventory, occupied ---


def test_inventory_lists_gpus_in_visible_order_and_then_the_cpu():
    assert inventory(visible(BOARDS, "2,0"), 2) == [
        Device(UUIDS[2], "gpu", "GPU 2 (NVIDIA H200)"),
        Device(UUIDS[0], "gpu", "GPU 0 (NVIDIA H200)"),
        Device("cpu:0", "cpu", "CPU slot 0"),
        Device("cpu:1", "cpu", "CPU slot 1"),
    ]


def test_an_idle_gpu_and_one_that_only_we_use_are_not_occupied():
    used = [gpu("GPU-a", 0), gpu("GPU-b", 1, processes=(7, 8))]
    assert occupied(used, {7, 8}, 0.8) == {}


def test_a_gpu_with_a_strangers_process_is_occupied():
    pid, name = os.getpid(), psutil.Process().name()
    used = [gpu("GPU-a", 0, processes=(pid,)), gpu("GPU-b", 1)]
    reasons = occupied(used, [], 0.8)
    sentence = f"GPU 0 (NVIDIA H200) is used by process {pid} ({name})"
    assert reasons == {"GPU-a": sentence}


def test_several_strangers_are_counted_and_ours_are_not():
    pid = gone()
    used = [gpu("GPU-a", 0, processes=(1, pid, 2**22 + 5, 2**40))]
    assert occupied(used, {1}, 0.8) == {
        "GPU-a": f"GPU 0 (NVIDIA H200) is used by process {pid} and 2 more"
    }


@pytest.mark.parametrize("pid", [2**22 + 5, 2**40])
def test_a_process_of_another_namespace_has_no_name(pid):
    reason = occupied([gpu("GPU-a", 0, processes=(pid,))], [], 0.8)["GPU-a"]
    assert reason.endswith(f"is used by process {pid}")


def test_a_gpu_with_little_free_memory_is_occupied():
    full = gpu("GPU-a", 0, free_memory=int(3.14 * GIB))
    assert occupied([full, gpu("GPU-b", 1)], [], 0.29) == {
        "GPU-a": "GPU 0 (NVIDIA H200) has 3.1 of 100.0 GiB free, 29 % are wanted"
    }


def test_free_memory_is_compared_with_the_whole():
    assert not occupied([gpu("GPU-a", 0, free_memory=80 * GIB)], [], 0.8)
    assert occupied([gpu("GPU-a", 0, free_memory=80 * GIB - 1)], [], 0.8)


def test_memory_that_the_driver_does_not_tell_is_not_missed():
    silent = gpu("GPU-a", 0, total_memory=0, free_memory=0)
    assert occupied([silent], [], 1.0) == {}


# --- cores ---


@pytest.mark.parametrize(
    ("leased", "slots", "cores", "expected"),
    [(1, 1, 8, None), (1, 4, 8, "2"), (3, 4, 8, "6"), (1, 16, 8, "1"), (0, 4, 8, None)],
)
def test_cpu_slots_share_the_cores(leased, slots, cores, expected):
    had = [Device(f"cpu:{k}", "cpu", f"CPU slot {k}") for k in range(leased)]
    had = had or [Device("GPU-a", "gpu", "GPU 0")]
    assert threads(had, slots, cores).get("OMP_NUM_THREADS") == expected


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert devices.cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert devices.cores() == 64
