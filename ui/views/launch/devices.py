"""The devices of the launch form: what this machine has, and what a run takes of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.config import TrainingConfig
from trainers.jobs import nvml
from trainers.jobs.devices import CPU, GPU, Device, cores
from trainers.jobs.inventory import Inventory
from trainers.jobs.launcher import MAX_PRIORITY
from trainers.jobs.local import Engine
from trainers.runs import Run, RunError
from ui.components import navigation
from ui.components.engine import engine
from ui.components.formats import counted, plain
from ui.components.forms import in_columns
from ui.views.launch.outlook import INVENTORY_AGE, VARIABLES, inventory_now

AUTO, ANY_GPU = "auto", "cuda"
GIB = 2**30


@dataclass(frozen=True)
class Row:
    """A GPU as the form shows it.

    Args:
        setting: "cuda:N", "" for one that cannot be named so.
        name: For people.
        memory: Its free memory in words, "" where the driver does not tell.
        run: Path of the run that has it, "" for none.
        other: Who else has it, "" for nobody.
    """

    setting: str
    name: str
    memory: str = ""
    run: str = ""
    other: str = ""

    @property
    def state(self) -> str:
        """Whether it is free, in a word or more."""
        if self.run:
            return f"taken by run {Path(self.run).name}"
        return self.other.removeprefix(f"{self.name} ") or "free"


def rows(
    inventory: Inventory, gpus: Sequence[nvml.Gpu], leases: dict[str, str]
) -> list[Row]:
    """The GPUs of a machine.

    Args:
        inventory: What runs can have.
        gpus: What the driver says of the memory.
        leases: Device id -> path of the run that has it.
    """
    memory = {gpu.uuid: _memory(gpu) for gpu in gpus}
    visible = [device for device in inventory.devices if device.kind == GPU]
    # Of MIG instances CUDA shows a process one: only the first has a number.
    split = any(device.is_instance for device in visible)
    return [
        Row(
            setting="" if split and number else f"{ANY_GPU}:{number}",
            name=device.name,
            memory=memory.get(device.id, ""),
            run=leases.get(device.id, ""),
            other=inventory.others.get(device.id, ""),
        )
        for number, device in enumerate(visible)
    ]


def _memory(gpu: nvml.Gpu) -> str:
    if not gpu.total_memory:
        return ""
    free, total = gpu.free_memory / GIB, gpu.total_memory / GIB
    return f"{free:.1f} of {total:.0f} GiB free"


def placing() -> dict[str, Any]:
    """Ask where a run is to be trained; returns its settings and its priority."""
    found, slots = _machine()
    answers = in_columns([lambda: _device(found), _processes, _priority])
    _told(found, slots, answers[1][1])
    return dict(answers)


def _machine() -> tuple[list[Row], list[Device]]:
    """The GPUs and CPU slots here; none where other machines decide."""
    local = engine()
    if not isinstance(local, Engine):
        return [], []
    variables = tuple(os.environ.get(name) for name in VARIABLES)
    try:
        inventory = inventory_now(variables, local)
        held = local.store.leases(local.store.host)
    except (RunError, ValueError):
        return [], []  # the summary tells it
    slots = [device for device in inventory.devices if device.kind == CPU]
    gpus = _gpus() if len(inventory.devices) > len(slots) else ()
    leases = {lease.device: lease.path for lease in held}
    return rows(inventory, gpus, leases), slots


@st.cache_data(ttl=INVENTORY_AGE, show_spinner=False)
def _gpus() -> list[nvml.Gpu]:
    return nvml.gpus()


def _device(found: Sequence[Row]) -> tuple[str, str]:
    titles = {
        AUTO: "Auto: GPU" if found else "Auto: CPU",
        "cpu": "CPU",
        ANY_GPU: "Any GPU",
    }
    titles |= {row.setting: row.name for row in found if row.setting}
    answer = st.selectbox(
        "Device", list(titles), key="device", accept_new_options=True,
        format_func=lambda name: titles.get(name, name),
        help="Automatic takes a GPU if there is one; cuda:1 is the second of them.",
    )  # fmt: skip
    return "device", answer


def _processes() -> tuple[str, int]:
    answer = st.number_input(
        "Processes", value=TrainingConfig().num_processes, step=1, key="num_processes",
        help="Processes that share every batch. Each takes a GPU; on the CPU they "
        "share its cores.",
    )  # fmt: skip
    return "num_processes", answer


def _priority() -> tuple[str, int]:
    answer = st.number_input(
        "Priority", -MAX_PRIORITY, MAX_PRIORITY, 0, 1, key="priority",
        help="Larger goes first in the queue; those alike go in their order.",
    )  # fmt: skip
    return "priority", answer


def _told(found: Sequence[Row], slots: Sequence[Device], processes: Any) -> None:
    if not slots:
        return
    if not found:
        st.caption(
            ":material/developer_board: There is no GPU that can be used here: runs "
            f"are trained on the CPU, {counted(cores(), 'core')}, "
            f"{counted(len(slots), 'run')} at a time."
        )
        if isinstance(processes, int) and processes > cores():
            st.caption(
                f":material/warning: {processes} processes wait for each other on "
                f"{counted(cores(), 'core')}."
            )
        return
    for row in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            icon = "check_circle" if row.state == "free" else "do_not_disturb_on"
            words = [plain(row.name), plain(row.memory)]
            st.caption(
                f":material/{icon}: " + " · ".join(filter(None, words)), width="content"
            )
            if row.run:
                navigation.link_to_run(Run(Path(row.run)), row.state)
            else:
                st.caption(plain(row.state), width="content")
