"""What runs can lease on this machine, and who has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.jobs import nvml
from trainers.jobs.devices import CPU, Device
from trainers.jobs.inventory import Inventory
from trainers.jobs.local import Engine
from trainers.jobs.store import Lease
from trainers.runs import Run
from ui.components import engine
from ui.views.system import gpus as boards


def devices() -> None:
    """Show what runs can lease, and who has it."""
    st.markdown("### Devices")
    local = engine.engine()
    if not isinstance(local, Engine):
        st.info("Other machines run the jobs here.", icon=":material/cloud:")
        return
    with engine.told():
        inventory, leases = local.inventory(), local.store.leases(local.store.host)
        rows = device_rows(inventory, leases, boards.found())
        st.dataframe(rows, hide_index=True, alt="The devices and which run has them")
        if all(device.kind == CPU for device in inventory.devices):
            st.caption(
                "There is no GPU: runs use the CPU, as many at a time as there are "
                "slots (VOGN\\_CPU\\_SLOTS where the server is started)."
            )


def device_rows(
    inventory: Inventory, leases: Sequence[Lease], gpus: Sequence[nvml.Gpu]
) -> list[dict[str, Any]]:
    """The table of devices.

    Args:
        inventory: The devices of this machine.
        leases: Which run holds which.
        gpus: What the driver says of the GPUs.
    """
    runs = {lease.device: Run(Path(lease.path)).id for lease in leases}
    known = {gpu.uuid: gpu for gpu in gpus}

    def row(device: Device) -> dict[str, Any]:
        taken = f"run {runs[device.id]}" if device.id in runs else ""
        return {
            "Device": device.name,
            "In use by": taken or inventory.others.get(device.id, "") or "nobody",
            "Memory": boards.room(known[device.id])
            if device.id in known
            else _unseen(device),
        }

    return [row(device) for device in inventory.devices]


def _unseen(device: Device) -> str:
    return "shared with the machine" if device.kind == CPU else boards.UNTOLD
