"""Small runs for the trainer tests, and how to wait for other processes."""

import subprocess
import sys
import time

from trainers.config import RunConfig
from trainers.runs import RunError, new_run, read_metrics
from trainers.status import ENDED, observed, read_status

TIMINGS = ("seconds", "examples_per_second", "inverse_seconds")


def config(**sections):
    """Return a configuration of seconds: sections override, by name or settings."""
    content = {
        "schema": 1,
        "dataset": {"name": "moons"},
        "model": {"name": "mlp"},
        "optimizer": {"name": "vogn"},
        "training": {"epochs": 2, "batch_size": 100, "log_interval": 3},
        "evaluation": {"test_samples": 3, "validation_samples": 2, "ood": "none"},
    }
    for name, value in sections.items():
        chosen = {"name": value} if isinstance(value, str) else value
        base = {} if "name" in chosen else content[name]
        content[name] = base | chosen
    return RunConfig.from_dict(content)


def run_of(path, **sections):
    return new_run(config(**sections), "test", path)


def long_config():
    """Return a configuration that trains far longer than any test waits.

    Spirals begin soonest: nothing but NumPy draws them.
    """
    return config(dataset="spirals", training={"epochs": 100_000, "log_interval": 1})


def rows_of(run):
    """Return the metric rows without what depends on the clock."""
    rows, _ = read_metrics(run)
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in rows]


def wait_for(condition, seconds=40.0):
    """Poll until `condition()` is true, and return its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{condition} did not come true within {seconds} seconds")


def state_of(run):
    try:
        return observed(run).state
    except RunError:
        return None


def wait_for_state(run, *states, seconds=60.0):
    return wait_for(lambda: state_of(run) in states and read_status(run), seconds)


def wait_for_end(run, seconds=60.0):
    return wait_for_state(run, *ENDED, seconds=seconds)


def wait_for_step(run, step=1):
    """Wait until the training has logged a step."""
    return wait_for(
        lambda: any(row["step"] >= step for row in read_metrics(run)[0]), 60.0
    )


def command_line(*words):
    return [sys.executable, "-m", "trainers", *map(str, words)]


def start(*words, **options):
    """Start `python -m trainers ...` with its output in pipes."""
    return subprocess.Popen(
        command_line(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


class Signals:
    """A `StopSignal` that asks to stop when a counter of steps says so."""

    def __init__(self, stop_at=None):
        self.stop_at, self.steps = stop_at, 0

    @property
    def requested(self):
        return self.stop_at is not None and self.steps >= self.stop_at
