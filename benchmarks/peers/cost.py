"""Seconds and memory of a step, for several methods side by side."""

import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch

PROBE = 10  # steps of a cycle that tell what it costs and what it holds
STEP = "measured step"  # its name in the profile


@dataclass(frozen=True)
class Runner:
    """A method made ready on a network.

    Args:
        step: Makes one step.
        cycle: Steps after which costs repeat, or over which they are averaged.
        squares: Whether its squares agree with the truth.
        device: Where it runs.
        figures: What its optimizer tells of the steps since it was last asked.
    """

    step: Callable[[], object]
    cycle: int
    squares: str
    device: torch.device
    figures: Callable[[], dict[str, float]] = dict


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        steps: Of a fast method on a network.
        seconds: That a slow method may take for its steps on a network.
        window: Longest cycle; a method with a longer one is measured over so many
            steps, once.
        fewest: Repeats of a slow method.
    """

    steps: int
    seconds: float
    window: int = 300
    fewest: int = 3

    def cycle_of(self, runner: Runner) -> int:
        """Steps that make one repeat of a method."""
        return min(runner.cycle, self.window)


def time_steps(runners: dict[str, Runner], effort: Effort) -> dict[str, list[float]]:
    """Time steps in turns.

    Args:
        runners: The methods by name.
        effort: How much to measure.

    Returns:
        Seconds of a step by method, one value a repeat: the mean of a cycle.
    """
    num_steps = {name: affordable(runner, effort) for name, runner in runners.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for name in schedule(num_steps):
        seconds[name].append(timed(runners[name]))
    return {
        name: cycle_means(each, effort.cycle_of(runners[name]))
        for name, each in seconds.items()
    }


def affordable(runner: Runner, effort: Effort) -> int:
    """Steps that a method may make, in whole cycles; the first finish its warm-up."""
    cycle = effort.cycle_of(runner)
    probe = min(cycle, PROBE)
    once = sum(timed(runner) for _ in range(probe)) * cycle / probe
    cycles = min(effort.steps // cycle, int(effort.seconds / once))
    return cycle * max(effort.fewest if cycle == probe else 1, cycles)


def schedule(num_steps: dict[str, int]) -> list[str]:
    """Whose turn it is: each method's steps evenly spread, in random order."""
    generator = random.Random(0)
    turns = [
        ((index + generator.random()) / num, name)
        for name, num in num_steps.items()
        for index in range(num)
    ]
    return [name for _, name in sorted(turns)]


def timed(runner: Runner) -> float:
    """Seconds of one step."""
    synchronise(runner.device)
    start = time.perf_counter()
    runner.step()
    synchronise(runner.device)
    return time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    """Wait for what a GPU was told to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def cycle_means(seconds: list[float], cycle: int) -> list[float]:
    """Means of as many steps as make a cycle."""
    starts = range(0, len(seconds), cycle)
    return [statistics.fmean(seconds[start : start + cycle]) for start in starts]


def peak_mib(runner: Runner) -> float:
    """Peak of what torch holds in a step above what it held before, over a cycle."""
    peak = cuda_peak if runner.device.type == "cuda" else cpu_peak
    return peak(runner) / 2**20


def cuda_peak(runner: Runner) -> float:
    """Largest peak of a cycle's steps on a GPU, in bytes."""
    peaks = []
    for _ in range(min(runner.cycle, PROBE)):
        synchronise(runner.device)
        torch.cuda.reset_peak_memory_stats(runner.device)
        before = torch.cuda.memory_allocated(runner.device)
        runner.step()
        synchronise(runner.device)
        peaks.append(torch.cuda.max_memory_allocated(runner.device) - before)
    return max(peaks)


def cpu_peak(runner: Runner) -> float:
    """Largest peak of a cycle's steps on the CPU, in bytes."""
    # The profiler's C++ part complains on stderr where there is no GPU.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        runner.step()  # only what is allocated in the profile is seen to be freed
        for _ in range(min(runner.cycle, PROBE)):
            with torch.profiler.record_function(STEP):
                runner.step()
    events = profile.profiler.kineto_results.events()
    held, before, peak = 0, inf, 0.0  # nothing counts before the first marked step
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == STEP:
            before = held
        elif event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held - before)
    return peak
