"""A dashboard on a folder of runs, and a run that trains while it is looked at."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ui import fakes
from tests.ui.chromium import Server, free_port
from trainers.jobs.home import Home
from trainers.jobs.switch import end_dispatcher
from trainers.runs import Run, metric_line
from trainers.status import RUNNING, Process


@contextmanager
def serving(runs: Path) -> Iterator[str]:
    """The address of a dashboard on a folder of runs in which nothing is launched."""
    # That of the tests looks for the processes of each run when it ends: with a
    # thousand runs that takes minutes.
    server = Server(runs, slots=1, port=free_port())
    try:
        server.start()
        yield server.address
    finally:
        server.kill()
        end_dispatcher(Home(runs / ".jobs"))


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
