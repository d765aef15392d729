"""Tests of which devices a run wants, which it gets, and what its trainer sees."""

import random
import re

import pytest

from tests.trainers.jobs.machines import (
    BOARDS,
    INSTANCES,
    MACHINE,
    ONLY_CPU,
    SPLIT,
    UUIDS,
    gpu,
    ids,
)
from trainers.jobs.devices import (
    environment,
    inventory,
    occupied,
    pick,
    visible,
    wanted,
)

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
