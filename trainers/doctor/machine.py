"""Checks of the machine: cores, memory, GPUs, disks, datasets."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from data import DATASETS
from data.cache import cache_folder, system_folder
from trainers.doctor.findings import FAIL, OK, WARN, Finding
from trainers.doctor.processes import members
from trainers.jobs import devices, nvml
from trainers.jobs.home import Home, network_file_system
from trainers.runs import runs_root

GIB = 2**30
LITTLE_MEMORY = 1 * GIB
LITTLE_DISK, NO_DISK = 5 * GIB, GIB // 4
PCI = Path("/sys/bus/pci/devices")
NVIDIA = "0x10de"  # NVIDIA's number as a vendor of PCI devices


def cpu() -> Iterator[Finding]:
    """How many cores there are, and how many runs may share them."""
    cores = _cores()
    try:
        slots = devices.cpu_slots(os.environ.get("VOGN_CPU_SLOTS"))
    except ValueError as error:
        yield Finding(FAIL, "cpu", str(error), "Correct or unset VOGN_CPU_SLOTS.")
        return
    text = f"{_count(cores, 'core')}; {_count(slots, 'run')} at a time may use them."
    if slots > cores:
        yield Finding(WARN, "cpu", text, f"Set VOGN_CPU_SLOTS to {cores} or fewer.")
    else:
        yield Finding(OK, "cpu", text)


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def memory() -> Iterator[Finding]:
    """How much memory there is."""
    seen = psutil.virtual_memory()
    text = f"{gib(seen.available)} of {gib(seen.total)} are free."
    if seen.available < LITTLE_MEMORY:
        advice = "End what is not needed: a run wants about 1 GiB and its data."
        yield Finding(WARN, "memory", text, advice)
    else:
        yield Finding(OK, "memory", text)


def gib(size: float) -> str:
    """A size in bytes for people."""
    return f"{size / GIB:.1f} GiB"


def gpus() -> Iterator[Finding]:
    """Which GPUs there are, and whether runs can have them."""
    every, problem = nvml.survey()
    if problem and (every or _has_nvidia_board(PCI)):
        advice = "Repair or restart the NVIDIA driver; nvidia-smi tells more."
        yield Finding(WARN, "gpu", f"Not every GPU can be seen: {problem}.", advice)
    elif not every:
        yield Finding(OK, "gpu", "There is no NVIDIA GPU: runs use the CPU.")
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = devices.visible(every, variable)
    if len(visible) < len(every):
        shown = f"{len(visible)} of {_count(len(every), 'GPU')}"
        text = f"CUDA_VISIBLE_DEVICES={variable!r} shows {shown}."
        yield Finding(WARN, "gpu", text, "Unset it to use all GPUs.")
    yield from _visible_gpus(visible)


def _visible_gpus(visible: list[nvml.Gpu]) -> Iterator[Finding]:
    try:
        variable = os.environ.get("VOGN_MIN_FREE_MEMORY")
        share = devices.minimum_free_share(variable)
    except ValueError as error:
        advice = "Correct or unset VOGN_MIN_FREE_MEMORY."
        yield Finding(FAIL, "gpu", str(error), advice)
        share = devices.MINIMUM_FREE
    own = {member.process.pid for member in members(Home.here())}
    taken = devices.occupied(visible, own, share)
    for gpu in visible:
        text = (
            f"GPU {gpu.index} ({gpu.name}): {gib(gpu.free_memory)} of "
            f"{gib(gpu.total_memory)} are free, {len(gpu.processes)} processes use it."
        )
        if gpu.uuid in taken and not own & set(gpu.processes):
            advice = f"Runs wait until it is free: {taken[gpu.uuid]}."
            yield Finding(WARN, "gpu", text, advice)
        else:
            yield Finding(OK, "gpu", text)


def _has_nvidia_board(root: Path) -> bool:
    """Whether an NVIDIA GPU is plugged in, whatever the driver says."""
    for board in root.glob("*"):
        try:
            vendor = (board / "vendor").read_text(encoding="ascii").strip()
            kind = (board / "class").read_text(encoding="ascii")
        except (OSError, ValueError):
            continue
        if vendor == NVIDIA and kind.startswith("0x03"):  # a display controller
            return True
    return False


def disks() -> Iterator[Finding]:
    """Whether there is room where things are written, on which kind of disk."""
    yield _disk("runs", runs_root())
    yield _disk("data folder", cache_folder().absolute())
    home = Home.here()
    kind = network_file_system(home.folder)
    if kind:
        text = f"{home.folder} is on a network file system ({kind})."
        advice = "Set VOGN_JOBS to a folder on a disk of this machine."
        yield Finding(FAIL, "engine folder", text, advice)
    else:
        yield _disk("engine folder", home.folder)


def _disk(name: str, folder: Path) -> Finding:
    existing = nearest(folder)
    if not existing.is_dir():
        text = f"{folder} cannot be a folder: {existing} is a file."
        return Finding(FAIL, name, text, "Move it away, or choose another folder.")
    free = shutil.disk_usage(existing).free
    kind = network_file_system(existing)
    where = f"a network file system ({kind})" if kind else "a disk of this machine"
    text = f"{folder} is on {where}, {gib(free)} are free."
    if not os.access(existing, os.W_OK | os.X_OK):
        text = f"{existing} cannot be written to."
        return Finding(FAIL, name, text, "Make it writable, or choose another folder.")
    if free < LITTLE_DISK:
        level = FAIL if free < NO_DISK else WARN
        return Finding(level, name, text, "Free some space: runs keep checkpoints.")
    return Finding(OK, name, text)


def nearest(folder: Path) -> Path:
    """What is there of a path: itself, or the nearest of its parents."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def datasets() -> Iterator[Finding]:
    """Which datasets are here, and which would be downloaded."""
    from data.images import is_available  # brings in NumPy

    names = [name for name, spec in DATASETS.items() if spec.kind == "image"]
    here = [name for name in names if is_available(name)]
    others = [name for name in names if name not in here]
    text = f"At hand: {', '.join(here)}."
    if others:
        text += f" Downloaded when first used: {', '.join(others)}."
    yield Finding(OK, "datasets", text)
    places = f"{cache_folder()} and {system_folder()}"
    yield Finding(OK, "datasets", f"They are looked for in {places}.")
