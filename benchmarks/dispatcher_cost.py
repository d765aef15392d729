"""What the job engine's dispatcher costs: share of a core, memory, how soon runs start.

Three situations, each with a real dispatcher in a folder of its own: nothing to do; 200
runs queued behind a pause; one run active and 200 behind it. The runs are the fake
trainer of the tests, which sleeps, so that only the engine is measured. A start is from
the submit to the trainer's first word. Figures are medians over the repeats, with the
smallest and the largest.

    python benchmarks/dispatcher_cost.py [--quick] [--only NAME...] [--json PATH]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from tests.trainers.jobs.conftest import dispatchers, fake, processes_below
from trainers.jobs.home import Home
from trainers.jobs.local import Engine
from trainers.jobs.processes import end_all
from trainers.status import read_status

NUM_QUEUED = 200


def idle(engine: Engine) -> None:
    """Nothing was ever submitted."""
    engine.unpause()


def paused(engine: Engine) -> None:
    """Many runs wait behind a pause."""
    engine.pause()
    engine.submit([fake("ok")] * NUM_QUEUED)


def busy(engine: Engine) -> None:
    """One run is active, many wait for its slot."""
    engine.submit([fake("hang"), *[fake("ok")] * NUM_QUEUED])


SITUATIONS: dict[str, Callable[[Engine], None]] = {
    "idle": idle,
    "paused": paused,
    "busy": busy,
}


def measured(situation: str, seconds: float) -> dict[str, object]:
    """One row: CPU share and memory of a dispatcher over some seconds."""
    with tempfile.TemporaryDirectory() as folder, suppress(psutil.NoSuchProcess):
        engine = _engine(Path(folder))
        try:
            SITUATIONS[situation](engine)
            dispatcher = _dispatcher(engine)
            time.sleep(3.0)  # it has begun
            before, since = _cpu(dispatcher), time.monotonic()
            time.sleep(seconds)
            share = (_cpu(dispatcher) - before) / (time.monotonic() - since)
            memory = dispatcher.memory_info().rss / 1e6
        finally:
            _end(engine, Path(folder))
    return {"situation": situation, "cpu_percent": 100 * share, "memory_mb": memory}


def start_seconds() -> float:
    """Seconds from a submit to the first word of the trainer."""
    with tempfile.TemporaryDirectory() as folder:
        engine = _engine(Path(folder))
        try:
            engine.unpause()
            _dispatcher(engine)
            time.sleep(1.0)
            began = time.time()
            (run,) = engine.submit([fake("ok")])
            while read_status(run).started is None:
                time.sleep(0.01)
            return (read_status(run).started or 0.0) - began
        finally:
            _end(engine, Path(folder))


def _engine(folder: Path) -> Engine:
    os.environ["VOGN_RUNS"] = str(folder / "runs")
    os.environ["VOGN_JOBS"] = str(folder / "jobs")
    os.environ["VOGN_TRAINER"] = "tests.trainers.jobs.fake_trainer"
    return Engine(Home.here())


def _dispatcher(engine: Engine) -> psutil.Process:
    while not dispatchers(engine.home):
        time.sleep(0.1)
    return dispatchers(engine.home)[0]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _end(engine: Engine, folder: Path) -> None:
    engine.home.switched_off.touch()
    end_all(lambda: processes_below(folder))
    engine.store.close()


def _spread(values: list[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 seconds each, once")
    parser.add_argument("--only", nargs="+", choices=SITUATIONS, default=SITUATIONS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    repeats, seconds = (1, 10.0) if options.quick else (3, 30.0)
    rows = [
        {**measured(situation, seconds), "seconds": seconds, "repeat": repeat}
        for repeat in range(repeats)
        for situation in options.only
    ]
    starts = [start_seconds() for _ in range(3 * repeats)]
    print(machine())
    for situation in options.only:
        own = [row for row in rows if row["situation"] == situation]
        shares = [float(str(row["cpu_percent"])) for row in own]
        memory = [float(str(row["memory_mb"])) for row in own]
        print(f"{situation:>7}: {_spread(shares)} % of a core, {_spread(memory)} MB")
    print(f"  start: {_spread(starts)} seconds from submit to the trainer's first word")
    if options.json:
        rows += [{"situation": "start", "seconds": value} for value in starts]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
