"""How fast the list of runs is with 1,000 of them, in a real Chromium.

A temporary folder of run folders (`many_runs.py`), a server of the dashboard on it, and
a browser with a window of 1400 x 900. Times are the browser's own: from the start of
the navigation, or from the click or key, to the first frame in which the table's canvas
has the rows in question drawn on it, and the caption above counts them. Rows:

    cold             first visitor of a server that has just started, empty cache of
                     the browser: pages are imported, every evaluation is read
    new visitor      a warm server, a browser that never was there
    returning        a warm server, a browser that has the scripts in its cache
    state, search,   a filter of the open page: a click on a state, a word and Enter,
    archive          a click on the archive
    ... + live       the same while a run trains, so that the table refreshes by itself
    server: look     reading all runs for a page, in this process
    server: page     a whole rerun of the page without a browser (AppTest)

Medians over the repeats, with the smallest and the largest. Other work on the machine
counts: its load is printed.

It needs pytest, Playwright and a Chromium, as the browser tests do.

    python benchmarks/dashboard_speed.py [--quick] [--runs NUMBER] [--json PATH]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright import sync_api

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.dashboard_server import live_run, serving
from benchmarks.dashboard_visitor import FILTERS, Visitor
from benchmarks.machine import machine
from benchmarks.many_runs import write_runs
from tests.ui.chromium import SWITCHES, chromium
from trainers.jobs.home import Home
from trainers.jobs.switch import end_dispatcher

ROOT = Path(__file__).resolve().parents[1]
PAINT, FILTER = 1.5, 0.3  # seconds that are wanted
WANTED = {
    "cold": None, "new visitor": PAINT, "returning": PAINT, "state": FILTER,
    "search": FILTER, "archive": FILTER, "returning + live": PAINT,
    "state + live": FILTER, "search + live": FILTER, "server: look": None,
    "server: page": None,
}  # fmt: skip
Row = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        num_runs: Run folders.
        repeats: Timings of each, at least 1.
    """

    num_runs: int
    repeats: int


FULL, QUICK = Effort(1000, 10), Effort(1000, 5)


def arrivals(browser: Any, runs: Path, effort: Effort) -> Iterator[tuple[str, float]]:
    """First paints and filters, without and with a live run."""
    with serving(runs) as address:
        first = Visitor(browser, address)
        yield "cold", first.arrive()
        first.page.wait_for_timeout(8 * effort.num_runs)  # until all was read once
        first.close()
        for _ in range(effort.repeats):
            visitor = Visitor(browser, address)
            yield "new visitor", visitor.arrive()
            visitor.settle()
            yield "returning", visitor.arrive()
            visitor.close()
        yield from _filters(browser, address, effort, "")
        with live_run(runs):
            visitor = Visitor(browser, address)
            visitor.arrive()
            visitor.settle()
            for _ in range(effort.repeats):
                yield "returning + live", visitor.arrive()
            visitor.close()
            yield from _filters(browser, address, effort, " + live")


def _filters(
    browser: Any, address: str, effort: Effort, suffix: str
) -> Iterator[tuple[str, float]]:
    visitor = Visitor(browser, address)
    visitor.arrive()
    visitor.settle()
    for name, action in FILTERS.items():
        if f"{name}{suffix}" not in WANTED:
            continue
        for repeat in range(2 * effort.repeats + 2):  # chosen and left
            seconds = visitor.act(action)
            if repeat > 1:  # the first two fetch scripts
                yield f"{name}{suffix}", seconds
            visitor.settle()
    visitor.close()


def on_server(runs: Path, effort: Effort) -> Iterator[tuple[str, float]]:
    """What the server does for a page, without a browser."""
    from streamlit.testing.v1 import AppTest
    from streamlit.util import calc_hash

    from trainers.runs import list_runs
    from ui.components import reading

    os.environ["VOGN_RUNS"] = str(runs)
    reading.summaries(list_runs())
    for _ in range(effort.repeats):
        began = time.perf_counter()
        reading.summaries(list_runs())
        yield "server: look", time.perf_counter() - began
    app = AppTest.from_file(str(ROOT / "ui" / "app.py"), default_timeout=120)
    app._page_hash = calc_hash("runs")
    app.run()
    for _ in range(effort.repeats):
        began = time.perf_counter()
        app.run()
        yield "server: page", time.perf_counter() - began
    end_dispatcher(Home(runs / ".jobs"))


def measure(effort: Effort) -> list[Row]:
    """Measure everything; a row each."""
    times: dict[str, list[float]] = {name: [] for name in WANTED}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runs = folder / "runs"
        write_runs(runs, effort.num_runs)
        playwright = stack.enter_context(sync_api.sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        for name, seconds in arrivals(browser, runs, effort):
            times[name].append(seconds)
        browser.close()
        for name, seconds in on_server(runs, effort):
            times[name].append(seconds)
    return [_row(name, values, effort) for name, values in times.items()]


def _row(name: str, values: Sequence[float], effort: Effort) -> Row:
    return {
        "situation": name,
        "num_runs": effort.num_runs,
        "seconds": statistics.median(values),
        "seconds_low": min(values),
        "seconds_high": max(values),
        "repeats": len(values),
        "load": os.getloadavg()[0],
        "wanted": WANTED[name],
    }


def line(row: Row) -> str:
    """A row as text."""
    spread = f"{row['seconds_low']:.3f}-{row['seconds_high']:.3f}"
    start = f"{row['situation']:>16} {row['seconds']:8.3f} {spread:>13}"
    if row["wanted"] is None:
        return f"{start} {row['repeats']:8}"
    met = "" if row["seconds"] <= row["wanted"] else "  MISSED"
    return f"{start} {row['repeats']:8} {row['wanted']:7.1f}{met}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--runs", type=int, help="how many run folders")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    effort = Effort(options.runs or effort.num_runs, effort.repeats)
    before = os.getloadavg()[0]
    rows = measure(effort)
    print(machine())
    print(f"{effort.num_runs:,} runs, load {before:.1f} before, "
          f"{os.getloadavg()[0]:.1f} after, {os.cpu_count()} processors")  # fmt: skip
    print(
        f"{'situation':>16} {'seconds':>8} {'spread':>13} {'repeats':>8} {'wanted':>7}"
    )
    for row in rows:
        print(line(row))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
