"""A dashboard of its own and a Chromium to visit it, for the browser tests.

With `VOGN_SCREENSHOTS=FOLDER` each page is also saved as a picture.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ui.conftest import REPOSITORY
from trainers.jobs.home import Home
from trainers.jobs.processes import (
    end_all,
    mirror_role,
    run_role,
    supervisor_role,
    with_role,
)
from trainers.jobs.switch import end_dispatcher
from trainers.runs import Run, list_runs

TIMEOUT = float(os.environ.get("VOGN_TEST_PATIENCE", "120"))  # seconds to wait
SWITCHES = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]


def chromium() -> str:
    """The browser, or the reason why there is no test."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    told = "No Chromium was found; on Debian: apt-get install chromium."
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


def until(condition: Any, told: str) -> Any:
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    return pytest.fail(f"Waited {TIMEOUT:g} s in vain until {told}.")


@dataclass
class Server:
    """The dashboard on a folder of runs, at an address that outlives a kill."""

    runs: Path
    slots: int
    port: int
    flags: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", "ui/app.py"]
        own = {"VOGN_RUNS": str(self.runs), "VOGN_CPU_SLOTS": str(self.slots)}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("VOGN_")}
        self.process = subprocess.Popen(
            [*command, "--server.port", str(self.port), *self.flags],
            cwd=REPOSITORY,
            # One thread a training: two of them and the browser share two cores.
            env=inherited | own | {"OMP_NUM_THREADS": "1"} | dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: answers(f"{self.address}/_stcore/health"), "the server answers")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=20)


@contextmanager
def serving(
    runs: Path,
    slots: int,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server; it, the dispatcher and all trainings are ended afterwards."""
    server = Server(runs, slots, free_port(), flags, environment or {})
    try:
        server.start()
        yield server
    finally:
        server.kill()
        end_dispatcher(Home(runs / ".jobs"))
        for run in list_runs(runs):
            assert end_all(lambda run=run: family(run))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def family(run: Run) -> list[psutil.Process]:
    """All live processes of a run: supervisor, trainer, and theirs."""
    return with_role(supervisor_role(run), run_role(run), mirror_role(run))


def processes_of(module: str, words: str) -> list[psutil.Process]:
    """The live processes of `python -m MODULE` among whose arguments are some words."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if module in line and any(words in each for each in line):
            found.append(process)
    return found


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@contextmanager
def visiting(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page of a new visitor; in the end nothing broke and nobody else was asked."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": 1400, "height": 900},
        color_scheme="light",
        **options,
    )
    context.set_default_timeout(TIMEOUT * 1000)
    opened = context.new_page()
    broken: list[str] = []
    asked: set[str] = set()
    opened.on("pageerror", lambda error: broken.append(str(error)))
    opened.on("request", lambda request: asked.add(request.url))
    yield opened
    context.close()
    assert broken == []
    own = (address, f"blob:{address}", "data:")
    assert [url for url in asked if not url.startswith(own)] == []


def picture(page: Any, name: str) -> None:
    """Save the whole page, if asked to."""
    folder = os.environ.get("VOGN_SCREENSHOTS")
    if not folder:
        return
    page.get_by_test_id("stToast").wait_for(state="detached")
    script = """() => document.querySelector(
      "[data-testid='stMainBlockContainer']").scrollHeight + 70"""
    height = max(900, int(page.evaluate(script)))
    page.set_viewport_size({"width": 1400, "height": height})
    page.mouse.move(2, 300)  # no toolbar of a hovered chart in the picture
    page.wait_for_timeout(800)  # charts are drawn anew in the larger window
    Path(folder).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(Path(folder) / f"{name}.png"))
    page.set_viewport_size({"width": 1400, "height": 900})
