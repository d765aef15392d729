"""What the machine has, and how much of it is in use."""

import os
import shutil
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import streamlit as st

from data.cache import cache_folder
from trainers.doctor.machine import gib, nearest
from trainers.jobs import nvml
from trainers.jobs.devices import CPU, Device
from trainers.jobs.home import Home
from trainers.jobs.inventory import Inventory
from trainers.jobs.local import Engine
from trainers.jobs.store import Lease
from trainers.runs import Run, runs_root
from ui.components import engine
from ui.components.figure import Figure, axis, figure, line
from ui.components.formats import percent, plain
from ui.components.plot import panel

REFRESH = 2.0  # seconds between two looks at the load
_HISTORY = "system_load"
_LENGTH = 60  # looks that the curves go back


def load() -> None:
    """Show processor, memory and GPUs as they are, and how they fared lately."""
    past = st.session_state.setdefault(_HISTORY, deque(maxlen=_LENGTH))
    memory = psutil.virtual_memory()
    # Without an interval the first answer is about the time since the server began.
    busy = psutil.cpu_percent(interval=None if past else 0.1)
    past.append((time.time(), busy, memory.percent))
    cores = psutil.cpu_count() or 1
    one, _, fifteen = (value / cores for value in psutil.getloadavg())
    shown = [
        ("Processor", percent(busy / 100, 0), f"{cores} cores",
         "Share of all cores in use."),
        ("Memory", percent(memory.percent / 100, 0),
         f"{gib(memory.available)} of {gib(memory.total)} free", None),
        ("Load of a core", f"{one:.2f}", f"{fifteen:.2f} over 15 minutes",
         "Processes that want to run, over the last minute, a core. Above 1 they wait "
         "for one another."),
        *map(_gpu, _gpus()),
    ]  # fmt: skip
    for start in range(0, len(shown), 4):
        row = shown[start : start + 4]
        places = st.columns(max(3, len(row)))
        for place, (title, value, beside, told) in zip(places, row, strict=False):
            place.metric(
                title, value, beside, delta_color="off", delta_arrow="off",
                help=told, border=True, height="stretch",
            )  # fmt: skip
    panel(
        "The last minutes", load_figure(past), key="load",
        alt=f"Processor, now {busy:.0f} %, and memory, now {memory.percent:.0f} %, "
        f"at the last {len(past)} looks.",
        note="In use, as this page saw it.",
    )  # fmt: skip


def load_figure(past: Sequence[tuple[float, float, float]]) -> Figure:
    """Draw processor and memory over time.

    Args:
        past: Unix time, and per cent in use of each, oldest first.
    """
    ago = [then - past[-1][0] for then, _, _ in past]
    names = ("Processor", "@1"), ("Memory", "@2")
    traces = [
        line(name, ago, [row[k] for row in past], color, hovertemplate="%{y:.0f} %")
        for k, (name, color) in enumerate(names, start=1)
    ]
    x = axis("Seconds ago", range=[min(ago[0], -10.0), 0])
    y = axis(range=[0, 101], ticksuffix=" %")
    return figure(traces, x=x, y=y, height=200, hovermode="x unified")


def _gpu(gpu: nvml.Gpu) -> tuple[str, str, str, str]:
    used = 1 - gpu.free_memory / gpu.total_memory if gpu.total_memory else None
    room = f"{gib(gpu.free_memory)} of {gib(gpu.total_memory)} free"
    return f"GPU {gpu.index} memory", percent(used, 0), room, plain(gpu.name)


@st.cache_data(ttl=5.0, show_spinner=False)
def _gpus() -> list[nvml.Gpu]:
    """The GPUs as they were a moment ago: a look opens their driver."""
    return nvml.gpus()


def devices() -> None:
    """Show what runs can lease, and who has it."""
    st.markdown("### Devices")
    local = engine.engine()
    if not isinstance(local, Engine):
        st.info("Other machines run the jobs here.", icon=":material/cloud:")
        return
    with engine.told():
        inventory = local.inventory()
        rows = device_rows(inventory, local.store.leases(local.store.host), _gpus())
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
    memory = {gpu.uuid: gpu for gpu in gpus}

    def row(device: Device) -> dict[str, Any]:
        gpu = memory.get(device.id)
        taken = f"run {runs[device.id]}" if device.id in runs else ""
        return {
            "Device": device.name,
            "In use by": taken or inventory.others.get(device.id, "") or "nobody",
            "Free memory": f"{gib(gpu.free_memory)} of {gib(gpu.total_memory)}"
            if gpu
            else "shared with the machine",
        }

    return [row(device) for device in inventory.devices]


def disks() -> None:
    """Show how much room there is where things are written."""
    st.markdown("### Disk")
    st.dataframe(
        disk_rows(), hide_index=True, alt="The folders and the room on their disks",
        column_config={
            "Disk in use": st.column_config.ProgressColumn(format="percent"),
        },
    )  # fmt: skip


def disk_rows() -> list[dict[str, Any]]:
    """The table of folders."""
    folders = {
        "Runs": (runs_root(), "VOGN_RUNS"),
        "Datasets": (cache_folder().absolute(), "VOGN_CACHE"),
        "Job engine": (Home.here().folder, "VOGN_JOBS"),
    }
    return [_disk(title, folder, name) for title, (folder, name) in folders.items()]


def _disk(title: str, folder: Path, variable: str) -> dict[str, Any]:
    room = shutil.disk_usage(nearest(folder))
    writable = os.access(nearest(folder), os.W_OK | os.X_OK)
    return {
        "Folder": title,
        "Path": str(folder),
        "Free": gib(room.free),
        # Of what users can have, as df counts: some blocks are the system's own.
        "Disk in use": round(room.used / (room.used + room.free or 1), 3),
        "Can be written": "yes" if writable else "no",
        "Set by": variable,
    }
