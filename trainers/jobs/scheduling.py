"""Who starts next, and why the others wait. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainers.jobs.devices import Device, pick, wanted
from trainers.jobs.store import Job, Lease


def held_by(leases: Sequence[Lease]) -> dict[str, str]:
    """Why leased devices are not to be had, by their ids."""
    return {lease.device: f"leased by run {Path(lease.path).name}" for lease in leases}


@dataclass(frozen=True)
class Plan:
    """What a dispatcher does about its queue.

    Args:
        starts: Jobs to start, with the devices that each gets.
        reasons: Why each other job waits, by path.
    """

    starts: list[tuple[Job, list[Device]]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


def plan(
    queue: Sequence[Job],
    inventory: Sequence[Device],
    taken: Mapping[str, str],
    paused: bool = False,
) -> Plan:
    """Share free devices out over the queue.

    The order is strict within a kind of device: a job that waits for GPUs is not
    overtaken by a smaller one, so that none waits for ever; runs on the CPU pass it.

    Args:
        queue: Queued jobs, next one first.
        inventory: The devices of this machine.
        taken: Why a device is not to be had, by its id.
        paused: Whether nothing may start.

    Returns:
        The plan; each queued job is in one of its two parts.
    """
    made = Plan()
    taken = dict(taken)
    first_waiting: dict[str, Job] = {}
    for job in queue:
        if paused:
            made.reasons[job.path] = "The queue is paused."
            continue
        try:
            kind, count, pinned = wanted(job.device, job.num_processes, inventory)
        except ValueError as error:
            made.reasons[job.path] = f"It does not fit this machine: {error}"
            continue
        if kind in first_waiting:
            made.reasons[job.path] = f"Waits behind run {first_waiting[kind].run.id}."
            continue
        devices, reason = pick(kind, count, pinned, inventory, taken)
        if devices:
            made.starts.append((job, devices))
            taken |= {device.id: f"leased by run {job.run.id}" for device in devices}
        else:
            made.reasons[job.path] = reason
            first_waiting[kind] = job
    return made


def moved(queue: Sequence[Job], path: str, place: int) -> list[Job]:
    """The queue with one job at another place.

    Its priority becomes one that fits there: the order stands above the number.

    Args:
        queue: Queued jobs, next one first.
        path: The job to move.
        place: Where to, counted from 1; beyond the end is the end.

    Returns:
        The new order, or the old one if the job is not in the queue.
    """
    others = [job for job in queue if job.path != path]
    chosen = [job for job in queue if job.path == path]
    if not chosen:
        return others
    index = min(max(place - 1, 0), len(others))
    before, after = others[:index], others[index:]
    priority = chosen[0].priority
    if before:
        priority = min(priority, before[-1].priority)
    if after:
        priority = max(priority, after[0].priority)
    return [*before, replace(chosen[0], priority=priority), *after]


def with_priority(queue: Sequence[Job], path: str, priority: int) -> list[Job]:
    """The queue with one job's priority changed, behind those of the same priority."""
    changed = [
        replace(job, priority=priority) if job.path == path else job for job in queue
    ]
    key = {job.path: (-job.priority, job.path == path) for job in changed}
    return sorted(changed, key=lambda job: key[job.path])
