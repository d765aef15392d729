"""Which devices a run needs, which are free, and how a trainer is confined to them.

Decisions only: GPUs come in as a list (`trainers.jobs.nvml` makes it), leases and
environment variables as arguments. A device is a GPU, one MIG instance of a split GPU,
or a CPU slot; GPUs are known by UUID, since their numbers depend on who counts.
"""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import psutil

from trainers.jobs.nvml import Gpu

GPU, CPU = "gpu", "cpu"
NOUNS = {GPU: "GPU", CPU: "CPU slot"}
MAX_CPU_SLOTS = 4096
MINIMUM_FREE = 0.8
GIB = 2**30


@dataclass(frozen=True)
class Device:
    """What a run can lease.

    Args:
        id: UUID of a GPU or of a MIG instance, or "cpu:0".
        kind: `GPU` or `CPU`.
        name: For people: "GPU 0 (NVIDIA H200)", "CPU slot 0".
    """

    id: str
    kind: str
    name: str

    @property
    def is_instance(self) -> bool:
        """Whether it is a MIG instance: CUDA shows a process one of them at most."""
        return self.id.startswith("MIG-")


def visible(gpus: Sequence[Gpu], variable: str | None) -> list[Gpu]:
    """The GPUs that an inherited CUDA_VISIBLE_DEVICES leaves us, in its order.

    The rules are those of the CUDA Programming Guide, "CUDA Environment Variables":
    without the variable all; empty, none; else a comma list of numbers in nvidia-smi's
    order, of UUIDs "GPU-8932f937..." that may be cut short while they stay
    unambiguous, or of MIG instances. It ends before the first entry that is invalid,
    such as -1. What the guide leaves open is done as torch.cuda does, to agree with
    the driver: the first entry sets the kind of all, a number ends at its last digit
    ("1x" is 1), and a GPU that is named twice makes the whole list empty. The number
    or UUID of a split GPU means its first MIG instance, the one CUDA would show.

    Args:
        gpus: All GPUs of the machine.
        variable: Value of CUDA_VISIBLE_DEVICES, None where it is not set.

    Returns:
        The visible ones.
    """
    if variable is None:
        return list(gpus)
    kind = variable[:4] if variable.startswith(("GPU-", "MIG-")) else ""
    chosen: list[Gpu] = []
    for entry in variable.split(","):
        meant = _meant(entry, kind, gpus)
        if len(meant) != 1:
            break
        if meant[0] in chosen:
            return []
        chosen += meant
    return chosen


def _meant(entry: str, kind: str, gpus: Sequence[Gpu]) -> list[Gpu]:
    if not entry.startswith(kind):
        return []
    if kind == "MIG-":
        return [gpu for gpu in gpus if gpu.alias == entry or gpu.uuid.startswith(entry)]
    boards = {gpu.index: gpu for gpu in reversed(gpus)}  # the first instance of each
    if kind == "GPU-":
        return [gpu for gpu in boards.values() if _board(gpu).startswith(entry)]
    number = re.match(r"\s*\+?([0-9]{1,18})", entry)
    index = int(number[1]) if number else -1
    return [boards[index]] if index in boards else []


def _board(gpu: Gpu) -> str:
    """The UUID of the whole GPU that an instance is a part of."""
    return gpu.alias.removeprefix("MIG-").split("/")[0] or gpu.uuid


def cpu_slots(variable: str | None) -> int:
    """How many runs may share the CPU, from VOGN_CPU_SLOTS; 1 where it is not set.

    Raises:
        ValueError: If it is no whole number in [1, 4096].
    """
    if not variable:
        return 1
    slots = int(variable) if re.fullmatch(r"[0-9]{1,9}", variable) else 0
    if not 1 <= slots <= MAX_CPU_SLOTS:
        raise ValueError(
            f"VOGN_CPU_SLOTS must be a whole number in [1, {MAX_CPU_SLOTS}], "
            f"got {variable!r}."
        )
    return slots


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def minimum_free_share(variable: str | None) -> float:
    """The share of a GPU's memory that must be free, from VOGN_MIN_FREE_MEMORY.

    Raises:
        ValueError: If it is no number in (0, 1].
    """
    if not variable:
        return MINIMUM_FREE
    try:
        share = float(variable)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 1.0:
        raise ValueError(
            f"VOGN_MIN_FREE_MEMORY must be a number in (0, 1], got {variable!r}."
        )
    return share


def inventory(gpus: Sequence[Gpu], slots: int) -> list[Device]:
    """All that can be leased: the visible GPUs in their order, then 1 or more slots."""
    cpus = [Device(f"cpu:{n}", CPU, f"CPU slot {n}") for n in range(slots)]
    return [Device(gpu.uuid, GPU, _title(gpu)) for gpu in gpus] + cpus


def _title(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name})"


def occupied(
    gpus: Sequence[Gpu], own_pids: Collection[int], minimum_free: float
) -> dict[str, str]:
    """The GPUs that others use, so that they cannot be had although nobody leases them.

    A GPU whose memory the driver does not tell is judged by its processes alone.

    Args:
        gpus: The visible GPUs as they are now.
        own_pids: Processes of our runs.
        minimum_free: Share of the memory that must be free, in (0, 1].

    Returns:
        Device id -> what is the matter.
    """
    reasons = {gpu.uuid: _occupation(gpu, own_pids, minimum_free) for gpu in gpus}
    return {uuid: reason for uuid, reason in reasons.items() if reason}


def _occupation(gpu: Gpu, own_pids: Collection[int], minimum_free: float) -> str:
    strangers = [pid for pid in gpu.processes if pid not in own_pids]
    if strangers:
        others = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        return f"{_title(gpu)} is used by {_process(strangers[0])}{others}"
    if gpu.free_memory < minimum_free * gpu.total_memory:
        free, total = gpu.free_memory / GIB, gpu.total_memory / GIB
        wanted = f"{100 * minimum_free:g} % are wanted"
        return f"{_title(gpu)} has {free:.1f} of {total:.1f} GiB free, {wanted}"
    return ""


def _process(pid: int) -> str:
    try:
        return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:  # it ended, or is numbered by another namespace
        return f"process {pid}"


def wanted(
    device: str, num_processes: int, inventory: Sequence[Device]
) -> tuple[str, int, str | None]:
    """What a run needs. Several processes take a GPU each; on the CPU they share it.

    Args:
        device: "auto" (GPUs if there are any), "cpu", "cuda" or "cuda:N", the N-th
            visible GPU.
        num_processes: Processes of the run, at least 1.
        inventory: Everything that can be leased.

    Returns:
        The kind, how many of it, and the id where it must be a certain one.

    Raises:
        ValueError: If this machine can never serve it.
    """
    match = re.fullmatch(r"auto|cpu|cuda(?::([0-9]{1,2}))?", device)
    if not match:
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {device!r}.")
    if num_processes < 1:
        raise ValueError(f"num_processes must be >= 1, got {num_processes}.")
    gpus = _candidates(GPU, 1, inventory)
    if device == "cpu" or (device == "auto" and not gpus):
        return CPU, min(num_processes, len(_candidates(CPU, 1, inventory))), None
    if match[1]:
        return GPU, 1, _pinned(int(match[1]), num_processes, gpus).id
    if not gpus:
        raise ValueError(f"device must be auto or cpu without a GPU, got {device!r}.")
    most = max(1, len(_candidates(GPU, num_processes, inventory)))
    if num_processes > most:
        raise ValueError(
            f"num_processes must be <= {most}, for they take a GPU each (of MIG "
            f"instances a run can have one), got {num_processes}."
        )
    return GPU, num_processes, None


def _candidates(kind: str, count: int, inventory: Sequence[Device]) -> list[Device]:
    """The devices that a run of `count` can have, free or not."""
    alike = [device for device in inventory if device.kind == kind]
    return [device for device in alike if count == 1 or not device.is_instance]


def _pinned(number: int, num_processes: int, gpus: Sequence[Device]) -> Device:
    device = f"'cuda:{number}'"
    if num_processes > 1:
        raise ValueError(
            f"device must be auto, cpu or cuda for {num_processes} processes, which "
            f"take a GPU each, got {device}."
        )
    if number >= len(gpus):
        raise ValueError(
            f"device must be one that this machine has ({len(gpus)} CUDA devices), "
            f"got {device}."
        )
    if number and any(gpu.is_instance for gpu in gpus[: number + 1]):
        raise ValueError(
            f"device must be auto, cuda or cuda:0 with MIG instances, of which CUDA "
            f"shows a process one, got {device}."
        )
    return gpus[number]


def pick(
    kind: str,
    count: int,
    pinned: str | None,
    inventory: Sequence[Device],
    taken: Mapping[str, str],
) -> tuple[list[Device], str]:
    """The devices that a run can have now.

    Args:
        kind: `GPU` or `CPU`.
        count: How many, at least 1.
        pinned: Id of the one that it must be, None for any.
        inventory: Everything that can be leased.
        taken: Device id -> why it cannot be had, such as "leased by run X", or what
            `occupied` says.

    Returns:
        The devices and "", or [] and a sentence that says what the run waits for.
    """
    candidates = _candidates(kind, count, inventory)
    if pinned is not None:
        candidates = [device for device in candidates if device.id == pinned]
    free = [device for device in candidates if device.id not in taken]
    if len(free) >= count:
        return free[:count], ""
    if len(candidates) < count:
        what = pinned or f"{count} {NOUNS[kind]}{'s' * (count > 1)}"
        seen = len(candidates) or "none"
        return [], f"Waits for {what}, of which this machine now shows {seen}."
    held = [device for device in candidates if device.id in taken]
    sentence = _waits(held[0], taken[held[0].id])
    if len(held) == 1:
        return [], sentence
    crowd = f"{len(held)} of {len(candidates)} {NOUNS[kind]}s are taken"
    return [], f"{sentence} {crowd}, this run wants {count}."


def _waits(device: Device, reason: str) -> str:
    if reason.startswith(device.name):  # a sentence of its own, from `occupied`
        return f"Waits: {reason}."
    return f"Waits for {device.name}: {reason}."


def environment(
    devices: Sequence[Device], device_setting: str, all_visible: Sequence[Device]
) -> dict[str, str]:
    """The variables that confine a trainer to its devices.

    A run on the CPU is shown no GPU, so that "auto" cannot take one. For "cuda:N" the
    trainer counts from the first visible GPU, so it is shown those before its own too.

    Args:
        devices: What the run has leased.
        device_setting: "auto", "cpu", "cuda" or "cuda:N".
        all_visible: Everything that can be leased, or the GPUs of it, in their order.

    Returns:
        Variables to set over those of the parent.
    """
    shown = [device.id for device in devices if device.kind == GPU]
    if shown and device_setting.startswith("cuda:"):
        gpus = [device.id for device in all_visible if device.kind == GPU]
        shown = gpus[: gpus.index(shown[0]) + 1]
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(shown),
    }


def threads(devices: Sequence[Device], slots: int, num_cores: int) -> dict[str, str]:
    """The variable that keeps runs on several CPU slots off each other's cores.

    Args:
        devices: What the run has leased.
        slots: CPU slots of this machine; one alone needs no fence.
        num_cores: Cores of this machine.

    Returns:
        OMP_NUM_THREADS, the run's share of the cores and at least 1; nothing for GPUs.
    """
    leased = sum(device.kind == CPU for device in devices)
    if not leased or slots == 1:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, num_cores * leased // slots))}
