"""How much of the machine is in use, now and lately."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psutil
import streamlit as st

from trainers.doctor.machine import gib
from ui.components.figure import Figure, axis, figure, line
from ui.components.formats import percent
from ui.components.plot import panel
from ui.views.system import gpus
from ui.views.system.gpus import Card

REFRESH = 2.0  # seconds between two looks at the load
SHORTEST = 0.5  # seconds between two looks at the processor
FIRST = 0.1  # seconds that a session's first look at it takes
_HISTORY = "system_load"
_LENGTH = 60  # looks that the curves go back
_ROW = 4  # cards beside each other
_COLORS = 8
_DASHES = ("solid", "dash", "dot")  # beyond the colours


class Spent(NamedTuple):
    """Seconds of all cores together since the machine began: at work, and all."""

    busy: float
    total: float


@dataclass(frozen=True)
class Look:
    """What was in use at one moment, in per cent.

    Args:
        time: Unix time.
        processor: Of all cores; None where the system does not tell.
        memory: Of the machine's memory.
        gpus: Of each GPU, by its title; None where the driver does not tell.
        spent: Until when `processor` counts.
    """

    time: float
    processor: float | None
    memory: float
    gpus: Mapping[str, float | None]
    spent: Spent


def load() -> None:
    """Show processor, memory and GPUs as they are, and how they fared lately."""
    past: deque[Look] = st.session_state.setdefault(_HISTORY, deque(maxlen=_LENGTH))
    boards = gpus.found()
    memory = psutil.virtual_memory()
    busy, spent = _processor(past)
    past.append(
        Look(time.time(), busy, memory.percent, gpus.utilisation(boards), spent)
    )
    _shown(_machine(busy, memory))
    _shown(gpus.cards(boards))
    panel(
        "The last minutes", load_figure(past), key="load",
        alt=f"Processor, now {_share(busy)}, and memory, now {_share(memory.percent)}, "
        f"at the last {len(past)} looks.",
        note="In use, as this page saw it.",
    )  # fmt: skip
    told = {title: share for title, share in past[-1].gpus.items() if share is not None}
    if told:
        now = ", ".join(f"{title} {share:.0f} %" for title, share in told.items())
        panel(
            "GPUs, the last minutes", gpu_figure(past), key="load-gpus",
            alt=f"Share of the time in which GPUs computed, now: {now}.",
            note="Share of the time in which something computed, as the driver tells.",
        )  # fmt: skip


def _processor(past: Sequence[Look]) -> tuple[float | None, Spent]:
    """Per cent of all cores in use since the last look, and until when.

    Not by `psutil.cpu_percent`, which remembers for each thread: every run of a page
    is a new one, of which it says 0.
    """
    before = past[-1].spent if past else _spent()
    if not past:
        time.sleep(FIRST)
    now = _spent()
    passed = now.total - before.total
    if past and passed < SHORTEST * (psutil.cpu_count() or 1):
        return past[-1].processor, before  # of a moment it would say little
    if passed <= 0:
        return None, now
    return min(100.0, max(0.0, 100 * (now.busy - before.busy) / passed)), now


def _spent() -> Spent:
    times = psutil.cpu_times()._asdict()
    # What guests use is among what users do already.
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return Spent(total - times["idle"] - times.get("iowait", 0.0), total)


def _share(value: float | None) -> str:
    return percent(None if value is None else value / 100, 0)


def _machine(busy: float | None, memory: Any) -> list[Card]:
    cores = psutil.cpu_count() or 1
    one, _, fifteen = (value / cores for value in psutil.getloadavg())
    return [
        ("Processor", _share(busy), f"{cores} cores",
         "Share of all cores in use."),
        ("Memory", _share(memory.percent),
         f"{gib(memory.available)} of {gib(memory.total)} free", None),
        ("Load of a core", f"{one:.2f}", f"{fifteen:.2f} over 15 minutes",
         "Processes that want to run, over the last minute, a core. Above 1 they wait "
         "for one another."),
    ]  # fmt: skip


def _shown(cards: Sequence[Card]) -> None:
    width = min(_ROW, max(3, len(cards)))
    for start in range(0, len(cards), width):
        row = cards[start : start + width]
        for place, card in zip(st.columns(width), row, strict=False):
            title, value, beside, told = card
            place.metric(
                title, value, beside, delta_color="off", delta_arrow="off",
                help=told, border=True, height="stretch",
            )  # fmt: skip


def load_figure(past: Sequence[Look]) -> Figure:
    """Draw processor and memory over time.

    Args:
        past: What was seen, oldest first.
    """
    lines: dict[str, list[float | None]] = {
        "Processor": [look.processor for look in past],
        "Memory": [look.memory for look in past],
    }
    return _over_time(past, lines)


def gpu_figure(past: Sequence[Look]) -> Figure:
    """Draw how busy the GPUs were over time, those whose driver tells it.

    Args:
        past: What was seen, oldest first.
    """
    titles = [title for title, share in past[-1].gpus.items() if share is not None]
    return _over_time(past, {k: [look.gpus.get(k) for look in past] for k in titles})


def _over_time(
    past: Sequence[Look], lines: Mapping[str, Sequence[float | None]]
) -> Figure:
    ago = [look.time - past[-1].time for look in past]
    traces = []
    for place, (name, values) in enumerate(lines.items()):
        trace = line(
            name, ago, values, f"@{place % _COLORS + 1}", hovertemplate="%{y:.0f} %"
        )
        trace["line"]["dash"] = _DASHES[place // _COLORS % len(_DASHES)]
        traces.append(trace)
    x = axis("Seconds ago", range=[min(ago[0], -10.0), 0])
    y = axis(range=[0, 101], ticksuffix=" %")
    return figure(traces, x=x, y=y, height=200, hovermode="x unified")
