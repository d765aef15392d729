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

    python benchmarks/dashboard_speed.py [--quick] [--only NAME...] [--json PATH]
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright import sync_api

# Opacus installs a package `benchmarks` of its own, which a script would find first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.many_runs import write_runs
from tests.ui import fakes
from tests.ui.chromium import SWITCHES, chromium
from trainers.jobs.home import Home
from trainers.jobs.switch import end_dispatcher
from trainers.runs import Run, metric_line
from trainers.status import RUNNING, Process

ROOT = Path(__file__).resolve().parents[1]
PAINT, FILTER = 1.5, 0.3  # seconds that are wanted
SETTLING = 700  # milliseconds between two actions
WANTED = {
    "cold": None, "new visitor": PAINT, "returning": PAINT, "state": FILTER,
    "search": FILTER, "archive": FILTER, "returning + live": PAINT,
    "state + live": FILTER, "search + live": FILTER, "server: look": None,
    "server: page": None,
}  # fmt: skip
WATCH = Path(__file__).with_name("dashboard_speed.js")
Row = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        num_runs: Run folders.
        repeats: Timings of each, at least 1; fewer servers are started.
    """

    num_runs: int
    repeats: int


FULL, QUICK = Effort(1000, 10), Effort(1000, 5)


@contextmanager
def serving(runs: Path) -> Iterator[str]:
    """The address of a dashboard on a folder of runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("VOGN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "ui/app.py",
         "--server.port", str(port)],
        cwd=ROOT, env=inherited | {"VOGN_RUNS": str(runs), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        while not _answers(f"{address}/_stcore/health"):
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait(timeout=20)
        end_dispatcher(Home(runs / ".jobs"))


def _answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(address, timeout=2) as reply:
        return bool(reply.status == 200)
    return False


@contextmanager
def live_run(root: Path) -> Iterator[None]:
    """A run that trains: a process that sleeps, and a line of metrics every second."""
    over = threading.Event()
    with subprocess.Popen(["sleep", "3600"]) as process:
        run = fakes.write_run(
            root, "20990101-000000-live", state=RUNNING, done=0.2, epochs=50,
            trainer=Process.of(process.pid),
        )  # fmt: skip
        writer = threading.Thread(target=_grow, args=(run, over), daemon=True)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()
            process.kill()
            for file in (run.status, run.config):
                file.unlink()


def _grow(run: Run, over: threading.Event) -> None:
    step = 2000
    while not over.wait(1.0):
        step += 10
        with run.metrics.open("a") as file:
            file.write(metric_line({"kind": "step", "step": step, "train_loss": 0.5}))


class Visitor:
    """A browser window, and the times that it measured.

    Args:
        browser: Chromium.
        address: The dashboard's.
    """

    def __init__(self, browser: Any, address: str) -> None:
        self._context = browser.new_context(
            base_url=address, viewport={"width": 1400, "height": 900}
        )
        self._context.set_default_timeout(120_000)
        self._context.add_init_script(path=str(WATCH))
        self.page = self._context.new_page()

    def close(self) -> None:
        """Close the window."""
        self._context.close()

    def arrive(self) -> float:
        """Seconds from the navigation to the table."""
        self.page.goto("/runs")
        return self._seen()

    def act(self, action: Callable[[Any], None]) -> float:
        """Seconds from a click or key to the changed table."""
        self.page.evaluate("window.watched.arm()")
        action(self.page)
        return self._seen()

    def settle(self) -> None:
        """Wait until nothing is drawn any more."""
        self.page.wait_for_timeout(SETTLING)

    def _seen(self) -> float:
        self.page.wait_for_function("window.watched.seconds !== null")
        return float(self.page.evaluate("window.watched.seconds"))


def click_state(page: Any) -> None:
    """Choose a state, or leave it."""
    page.get_by_role("radio", name="Failed").click()


def search(page: Any) -> None:
    """Type a word, or take it away."""
    field = page.get_by_role("searchbox", name="Search")
    field.fill("" if field.input_value() else "moons")
    field.press("Enter")


def click_archive(page: Any) -> None:
    """Choose the archive, or leave it."""
    page.get_by_text("Archived (").click()


FILTERS = {"state": click_state, "search": search, "archive": click_archive}


def arrivals(browser: Any, runs: Path, effort: Effort) -> Iterator[tuple[str, float]]:
    """First paints and filters, without and with a live run."""
    with serving(runs) as address:
        first = Visitor(browser, address)
        yield "cold", first.arrive()
        first.page.wait_for_timeout(8000)  # until everything was read once
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
        for repeat in range(2 * effort.repeats):  # chosen and left
            seconds = visitor.act(action)
            if repeat > 1:  # the first ones fetch scripts
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
