"""What this machine can lease and who else uses it: driver, environment and store.

The rules are in `trainers.jobs.devices`; here they are applied to the world.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainers.jobs import devices, nvml
from trainers.jobs.devices import CPU, Device
from trainers.jobs.processes import run_role, with_role
from trainers.jobs.store import Store


@dataclass(frozen=True)
class Inventory:
    """The devices of this machine at one moment.

    Args:
        devices: All that runs can lease, leased or not.
        others: Why a device cannot be had although no run leases it, by its id.
    """

    devices: Sequence[Device]
    others: Mapping[str, str]

    @property
    def slots(self) -> int:
        """Number of CPU slots."""
        return sum(device.kind == CPU for device in self.devices)


def take_inventory(store: Store) -> Inventory:
    """Look at the machine; with GPUs this takes up to half a second.

    Args:
        store: Knows which processes on the GPUs are ours.

    Returns:
        The inventory.

    Raises:
        ValueError: If VOGN_CPU_SLOTS or VOGN_MIN_FREE_MEMORY cannot be.
    """
    gpus = devices.visible(nvml.gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    slots = devices.cpu_slots(os.environ.get("VOGN_CPU_SLOTS"))
    return Inventory(devices.inventory(gpus, slots), _others(gpus, store))


def _others(gpus: Sequence[nvml.Gpu], store: Store) -> dict[str, str]:
    if not gpus:
        return {}  # the processes of a machine are not looked through for nothing
    roles = [run_role(job.run) for job in store.active(store.host)]
    own = {process.pid for process in with_role(*roles)}
    share = devices.minimum_free_share(os.environ.get("VOGN_MIN_FREE_MEMORY"))
    return devices.occupied(gpus, own, share)
