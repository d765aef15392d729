"""Where a run would be trained if it were queued now, and what stands before it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from trainers.config import RunConfig, TrainingConfig
from trainers.jobs import devices
from trainers.jobs.devices import CPU, Device
from trainers.jobs.inventory import Inventory
from trainers.jobs.local import Engine
from trainers.jobs.scheduling import held_by
from ui.components.engine import engine
from ui.components.formats import counted

# What an inventory depends on.
VARIABLES = ("CUDA_VISIBLE_DEVICES", "VOGN_CPU_SLOTS", "VOGN_MIN_FREE_MEMORY")
INVENTORY_AGE = 10.0  # seconds; asking the driver of the GPUs takes a while


@dataclass(frozen=True)
class Outlook:
    """What a person wants to know before a launch, each in a sentence.

    Args:
        where: On which devices.
        when: What stands before it.
    """

    where: str
    when: str


def is_local() -> bool:
    """Whether runs are trained on this machine."""
    return isinstance(engine(), Engine)


def outlook(configs: Sequence[RunConfig], priority: int) -> Outlook | None:
    """What would happen to runs that are queued now.

    Args:
        configs: The runs, first one first, at least one.
        priority: Larger goes first.

    Returns:
        None where other machines decide.

    Raises:
        ValueError: If this machine can never run it.
        RunError: If the engine cannot be asked.
    """
    local = engine()
    if not isinstance(local, Engine):
        return None
    variables = tuple(os.environ.get(name) for name in VARIABLES)
    inventory = inventory_now(variables, local)
    needs = [_wanted(config.training, inventory.devices) for config in configs]
    kind, number, pinned = needs[0]
    queue = local.store.queued()
    ahead = sum(job.priority >= priority for job in queue)
    taken = {**inventory.others, **held_by(local.store.leases(local.store.host))}
    _, reason = devices.pick(kind, number, pinned, inventory.devices, taken)
    return Outlook(
        where(*needs[0], configs[0].training.num_processes, inventory.devices),
        when(ahead, len(queue), local.paused, reason, len(configs)),
    )


def _wanted(
    training: TrainingConfig, inventory: Sequence[Device]
) -> tuple[str, int, str | None]:
    return devices.wanted(training.device, training.num_processes, inventory)


def where(
    kind: str,
    number: int,
    pinned: str | None,
    num_processes: int,
    inventory: Sequence[Device],
) -> str:
    """Name the devices; see `trainers.jobs.devices.wanted` for what they are."""
    alike = [device for device in inventory if device.kind == kind]
    if kind == CPU:
        share = f", in {num_processes} processes" if num_processes > 1 else ""
        return f"Runs on the CPU of this machine{share}."
    if pinned is not None or len(alike) == 1:
        name = next(d.name for d in alike if pinned in (None, d.id))
        return f"Runs on {name}."
    return f"Runs on {number} of {len(alike)} GPUs."


def when(ahead: int, queued: int, paused: bool, reason: str, number: int = 1) -> str:
    """Say what runs would wait for.

    Args:
        ahead: Queued runs that go first.
        queued: All queued runs.
        paused: Whether the queue is paused.
        reason: What the first one's devices are waited for, "" if they are free.
        number: How many runs.
    """
    them = "them" if number > 1 else "it"
    if paused:
        return "The queue is paused: nothing starts until somebody goes on with it."
    if ahead:
        return f"{counted(ahead, 'run')} {'is' if ahead == 1 else 'are'} before {them}."
    empty = f"Nothing is before {them}" if queued else "The queue is empty"
    if reason:
        return f"{empty}. {reason}"
    first = "the first starts at once, the others follow" if number > 1 else ""
    return f"{empty}: {first or 'starts at once'}."


# Keyed by what it depends on, so that tests and servers do not share one.
@st.cache_data(ttl=INVENTORY_AGE, show_spinner=False)
def inventory_now(
    variables: tuple[str | None, ...],  # noqa: ARG001 - the cache's key
    _local: Engine,
) -> Inventory:
    """The devices of this machine, as they were a moment ago.

    Args:
        variables: The values of `VARIABLES`.
        _local: The engine here.
    """
    return _local.inventory()
