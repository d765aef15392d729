"""Timing steps and predictions: warmed up, bounded in time, told with their spread."""

import time
from collections.abc import Callable

import numpy as np
import torch

from trainers.costs import Span

MAX_STEPS = 400
GROUPS = 10  # of steps, of which the spread is told
WARM_UP = 3  # steps, of which the first allocates and compiles
CUDA_BLOCK = 10  # steps between two waits for a GPU, which runs behind
REPEATS = 25  # of a prediction, within a second


def timed_steps(
    step: Callable[[int], None],
    device: torch.device,
    seconds: float,
    cycle: int = 1,
) -> tuple[list[float], int]:
    """Seconds a step, in each of some groups of steps, warmed up.

    Args:
        step: Does the step of a number.
        device: Where it does it.
        seconds: To measure for; a step that takes longer is measured once.
        cycle: Steps after which dear ones come again: whole cycles are measured, if
            time allows one.

    Returns:
        The seconds, and how many steps were measured.
    """
    block = CUDA_BLOCK if device.type == "cuda" else 1
    number = 0
    times: list[float] = []
    warm = time.monotonic()
    while number < WARM_UP and (not number or time.monotonic() - warm < seconds / 4):
        step(number)
        number += 1
    wait_for(device)
    begin = time.monotonic()
    while len(times) * block < MAX_STEPS:
        before = time.monotonic()
        if times and before - begin > seconds:
            break
        for _ in range(block):
            step(number)
            number += 1
        wait_for(device)
        times.append((time.monotonic() - before) / block)
    return in_groups(times, max(1, cycle // block)), len(times) * block


def in_groups(times: list[float], cycle: int) -> list[float]:
    """Means of up to `GROUPS` groups of equally many steps that follow each other.

    A group has whole cycles, if there are enough steps for one: the mean of half a
    cycle would have too many of the dear steps, or too few.
    """
    size = max(1, len(times) // (GROUPS * cycle)) * cycle
    whole = len(times) // size * size
    groups = [sum(times[k : k + size]) / size for k in range(0, whole, size)]
    return groups or [sum(times) / len(times)]


def span(times: list[float]) -> Span:
    """What a step takes: a tenth of the groups took less, half, and nine tenths.

    The middle is a median since other programs take the machine for moments. Groups
    vary little by chance if there are few: the ends are a tenth off at least.
    """
    low, middle, high = map(float, np.quantile(times, (0.1, 0.5, 0.9)))
    return Span(min(low, 0.9 * middle), middle, max(high, 1.1 * middle))


def median_seconds(action: Callable[[], object], device: torch.device) -> float:
    """The median of some times that something takes.

    Args:
        action: What is done, more than once.
        device: Where.
    """
    times: list[float] = []
    begin = time.monotonic()
    while len(times) < 3 or (len(times) < REPEATS and time.monotonic() - begin < 1.0):
        before = time.monotonic()
        action()
        wait_for(device)
        times.append(time.monotonic() - before)
    return float(np.median(times))


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
