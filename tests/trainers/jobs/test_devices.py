"""Tests of the decisions over devices."""

import os
import random
import re
import subprocess
import sys

import psutil
import pytest

from trainers.jobs import devices
from trainers.jobs.devices import (
    Device,
    cpu_slots,
    environment,
    inventory,
    minimum_free_share,
    occupied,
    pick,
    threads,
    visible,
    wanted,
)
from trainers.jobs.nvml import Gpu

UUIDS = ("GPU-8932f937-d72c", "GPU-8932aaaa-4106", "GPU-20bd9fae-d9f6", "GPU-77-1")
GIB = 2**30


def gpu(uuid, index, **details):
    details = {"total_memory": 100 * GIB, "free_memory": 99 * GIB} | details
    return Gpu(uuid, index, "NVIDIA H200", **details)


BOARDS = [gpu(uuid, index) for index, uuid in enumerate(UUIDS)]
# A split GPU between two whole ones.
SPLIT = [
    gpu("GPU-a", 0),
    gpu("MIG-one", 1, alias="MIG-GPU-whole/7/0"),
    gpu("MIG-two", 1, alias="MIG-GPU-whole/8/0"),
    gpu("GPU-c", 2),
]
INSTANCES = inventory(SPLIT[1:3], 1)
MACHINE = inventory(BOARDS, 2)
ONLY_CPU = inventory([], 2)


def ids(devices):
    return [device.id for device in devices]


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


# --- wanted ---


@pytest.mark.parametrize(
    ("device", "processes", "machine", "expected"),
    [
        ("auto", 1, MACHINE, ("gpu", 1, None)),
        ("auto", 4, MACHINE, ("gpu", 4, None)),
        ("cuda", 2, MACHINE, ("gpu", 2, None)),
        ("cuda:0", 1, MACHINE, ("gpu", 1, UUIDS[0])),
        ("cuda:3", 1, MACHINE, ("gpu", 1, UUIDS[3])),
        ("cuda:03", 1, MACHINE, ("gpu", 1, UUIDS[3])),
        ("cpu", 1, MACHINE, ("cpu", 1, None)),
        ("cpu", 2, MACHINE, ("cpu", 2, None)),
        ("cpu", 9, MACHINE, ("cpu", 2, None)),
        ("auto", 1, ONLY_CPU, ("cpu", 1, None)),
        ("auto", 9, ONLY_CPU, ("cpu", 2, None)),
        ("auto", 1, INSTANCES, ("gpu", 1, None)),
        ("cuda:0", 1, INSTANCES, ("gpu", 1, "MIG-one")),
        ("cuda", 2, inventory(SPLIT, 1), ("gpu", 2, None)),
    ],
)
def test_wanted(device, processes, machine, expected):
    assert wanted(device, processes, machine) == expected


@pytest.mark.parametrize(
    ("device", "processes", "machine", "message"),
    [
        ("gpu", 1, MACHINE, "device must be auto, cpu, cuda or cuda:N, got 'gpu'."),
        ("cuda:", 1, MACHINE, "device must be auto, cpu, cuda or cuda:N, got 'cuda:'."),
        ("cpu\n", 1, MACHINE, "device must be auto, cpu, cuda or cuda:N, got 'cpu"),
        ("cpu", 0, MACHINE, "num_processes must be >= 1, got 0."),
        ("auto", 5, MACHINE, "num_processes must be <= 4, "),
        ("cuda", 5, MACHINE, "num_processes must be <= 4, "),
        ("cuda", 1, ONLY_CPU, "device must be auto or cpu without a GPU, got 'cuda'."),
        ("cuda:0", 1, ONLY_CPU, "device must be one that this machine has (0 CUDA "),
        ("cuda:4", 1, MACHINE, "device must be one that this machine has (4 CUDA "),
        ("cuda:0", 2, MACHINE, "device must be auto, cpu or cuda for 2 processes, "),
        ("auto", 2, INSTANCES, "num_processes must be <= 1, "),
        ("cuda", 3, inventory(SPLIT, 1), "num_processes must be <= 2, "),
        ("cuda:1", 1, INSTANCES, "device must be auto, cuda or cuda:0 with MIG "),
        ("cuda:3", 1, inventory(SPLIT, 1), "device must be auto, cuda or cuda:0 with "),
    ],
)
def test_what_can_never_fit_is_refused(device, processes, machine, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        wanted(device, processes, machine)


# --- pick ---


def test_the_first_free_devices_are_picked():
    taken = {UUIDS[0]: "leased by run a", "cpu:0": "leased by run b"}
    assert ids(pick("gpu", 2, None, MACHINE, taken)[0]) == [UUIDS[1], UUIDS[2]]
    assert pick("cpu", 1, None, MACHINE, taken) == ([MACHINE[5]], "")


def test_a_pinned_device_is_picked_or_waited_for():
    assert ids(pick("gpu", 1, UUIDS[2], MACHINE, {UUIDS[0]: "x"})[0]) == [UUIDS[2]]
    assert pick("gpu", 1, UUIDS[2], MACHINE, {UUIDS[2]: "leased by run a"}) == (
        [], "Waits for GPU 2 (NVIDIA H200): leased by run a."
    )  # fmt: skip


def test_several_processes_never_get_instances():
    assert ids(pick("gpu", 2, None, inventory(SPLIT, 1), {})[0]) == ["GPU-a", "GPU-c"]


@pytest.mark.parametrize(
    ("request_", "machine", "taken", "sentence"),
    [
        (("cpu", 1, None), inventory([], 1), {"cpu:0": "leased by run X"},
         "Waits for CPU slot 0: leased by run X."),
        (("cpu", 2, None), ONLY_CPU, {"cpu:1": "leased by run X"},
         "Waits for CPU slot 1: leased by run X."),
        (("gpu", 3, None), MACHINE, {UUIDS[1]: "leased by run X", UUIDS[3]: "y"},
         "Waits for GPU 1 (NVIDIA H200): leased by run X. "
         "2 of 4 GPUs are taken, this run wants 3."),
        (("gpu", 1, None), MACHINE[:1], {UUIDS[0]: "GPU 0 (NVIDIA H200) is used by X"},
         "Waits: GPU 0 (NVIDIA H200) is used by X."),
        (("gpu", 2, None), MACHINE[:1], {},
         "Waits for 2 GPUs, of which this machine now shows 1."),
        (("gpu", 1, None), ONLY_CPU, {},
         "Waits for 1 GPU, of which this machine now shows none."),
        (("gpu", 1, "GPU-gone"), MACHINE, {},
         "Waits for GPU-gone, of which this machine now shows none."),
    ],
)  # fmt: skip
def test_what_cannot_be_had_says_what_it_waits_for(request_, machine, taken, sentence):
    assert pick(*request_, machine, taken) == ([], sentence)


def test_reasons_of_occupied_make_a_sentence():
    used = [gpu("GPU-a", 0, free_memory=0)]
    _, sentence = pick("gpu", 1, None, inventory(used, 1), occupied(used, [], 0.5))
    assert sentence == (
        "Waits: GPU 0 (NVIDIA H200) has 0.0 of 100.0 GiB free, 50 % are wanted."
    )


def random_request(rng):
    gpus = rng.sample([*BOARDS, *SPLIT], rng.randint(0, 8))
    machine = inventory(gpus, rng.randint(1, 3))
    taken = {device.id: "held" for device in machine if rng.random() < 0.4}
    device = rng.choice(["auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:2"])
    return machine, taken, device, rng.choice([1, 1, 1, 2, 3, 8])


def check_pick(machine, taken, device, processes):
    """Check one answer, and return whether there was one."""
    try:
        kind, count, pinned = wanted(device, processes, machine)
    except ValueError:
        return False
    assert len(pick(kind, count, pinned, machine, {})[0]) == count  # it fits when idle
    picked, sentence = pick(kind, count, pinned, machine, taken)
    assert bool(picked) != bool(sentence)
    if not picked:
        return False
    assert len({*ids(picked)}) == count
    assert not {*ids(picked)} & {*taken}
    assert {each.kind for each in picked} == {kind}
    assert {*picked} <= {*machine}
    assert pinned is None or [pinned] == ids(picked)
    shown = environment(picked, device, machine)["CUDA_VISIBLE_DEVICES"].split(",")
    first = int(device[5:]) if device.startswith("cuda:") else 0
    assert shown[first:] == (ids(picked) if kind == "gpu" else [""])
    return True


def test_what_is_picked_is_free_distinct_and_what_the_trainer_counts_to():
    rng = random.Random(0)
    answers = sum(check_pick(*random_request(rng)) for _ in range(1000))
    assert answers > 250


@pytest.mark.parametrize("seed", range(20))
def test_leases_never_overlap_and_all_devices_get_used(seed):
    rng = random.Random(seed)
    machine, _, _, _ = random_request(rng)
    taken = {}
    for _ in range(50):
        device = rng.choice(["auto", "cpu"])
        lease, _ = pick(*wanted(device, 1, machine), machine, taken)
        assert not {*ids(lease)} & {*taken}
        taken |= dict.fromkeys(ids(lease), "leased")
    assert {*taken} == {*ids(machine)}


# --- environment ---


@pytest.mark.parametrize(
    ("devices", "setting", "shown"),
    [
        ([MACHINE[2], MACHINE[0]], "auto", f"{UUIDS[2]},{UUIDS[0]}"),
        ([MACHINE[1]], "cuda", UUIDS[1]),
        ([MACHINE[0]], "cuda:0", UUIDS[0]),
        ([MACHINE[2]], "cuda:2", ",".join(UUIDS[:3])),
        ([MACHINE[4]], "auto", ""),
        ([MACHINE[4], MACHINE[5]], "cpu", ""),
    ],
)
def test_environment_shows_a_trainer_its_devices_alone(devices, setting, shown):
    assert environment(devices, setting, MACHINE) == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": shown,
    }


def test_the_n_th_gpu_is_counted_in_visible_order():
    machine = inventory(visible(BOARDS, "3,1,0"), 1)
    _, _, pinned = wanted("cuda:1", 1, machine)
    lease, _ = pick("gpu", 1, pinned, machine, {})
    assert ids(lease) == [UUIDS[1]]
    shown = environment(lease, "cuda:1", machine)["CUDA_VISIBLE_DEVICES"]
    assert visible(BOARDS, shown)[1].uuid == UUIDS[1]


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
