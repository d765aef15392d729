"""How busy the GPUs are, as far as their driver tells."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from trainers.doctor.machine import gib
from trainers.jobs import nvml
from trainers.jobs.nvml import Gpu
from ui.components.formats import percent, plain

# Title, value, what stands beside it, and help.
Card = tuple[str, str, str, str | None]
UNTOLD = "not told by the driver"


@st.cache_data(ttl=5.0, show_spinner=False)
def found() -> list[Gpu]:
    """The GPUs as they were a moment ago: a look opens their driver."""
    return nvml.gpus()


def titles(gpus: Sequence[Gpu]) -> list[str]:
    """What to call each: by its board, and by its place on a board that is split."""
    boards, seen, names = Counter(gpu.index for gpu in gpus), Counter[int](), []
    for gpu in gpus:
        seen[gpu.index] += 1
        part = f", part {seen[gpu.index]}" if boards[gpu.index] > 1 else ""
        names.append(f"GPU {gpu.index}{part}")
    return names


def utilisation(gpus: Sequence[Gpu]) -> dict[str, float | None]:
    """Per cent of the time in which each computed of late, by its title."""
    return {
        title: gpu.utilisation for title, gpu in zip(titles(gpus), gpus, strict=True)
    }


def cards(gpus: Sequence[Gpu]) -> list[Card]:
    """Two cards a GPU: how busy it is, and how much of its memory is in use."""
    return [
        card
        for title, gpu in zip(titles(gpus), gpus, strict=True)
        for card in (_work(title, gpu), _memory(title, gpu))
    ]


def _work(title: str, gpu: Gpu) -> Card:
    name = f"{plain(gpu.name)}: share of the time in which something computed on it"
    if gpu.utilisation is None:
        return title, "-", _beside(gpu), f"{name}, {UNTOLD}."
    return title, percent(gpu.utilisation / 100, 0), _beside(gpu), f"{name}."


def _beside(gpu: Gpu) -> str:
    """What the driver tells of heat and power, or that it does not."""
    heat = f"{gpu.temperature:.0f} °C" if gpu.temperature is not None else ""
    power = f"{gpu.power:.0f} W" if gpu.power is not None else ""
    if gpu.utilisation is None and not (heat or power):
        return UNTOLD
    known = ", ".join(filter(None, (heat, power)))
    return known or f"heat and power {UNTOLD}"


def _memory(title: str, gpu: Gpu) -> Card:
    if not gpu.total_memory:
        return f"{title} memory", "-", UNTOLD, plain(gpu.name)
    used = percent(1 - gpu.free_memory / gpu.total_memory, 0)
    return f"{title} memory", used, room(gpu), plain(gpu.name)


def room(gpu: Gpu) -> str:
    """How much of its memory is free."""
    if not gpu.total_memory:
        return UNTOLD
    return f"{gib(gpu.free_memory)} of {gib(gpu.total_memory)} free"
