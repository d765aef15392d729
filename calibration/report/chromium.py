"""Print a page to PDF by a Chromium that is already on the machine, and leave nothing.

The browser runs in a process group and in a folder of its own. However it ends, by
itself, by the time limit or because the user interrupts us, the whole group is killed
and the folder is removed.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from calibration.report.interruptions import held_back

VARIABLE = "VOGN_CHROMIUM"
_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "msedge", "microsoft-edge",
)  # fmt: skip
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
_SWITCHES = (
    "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--no-first-run", "--no-default-browser-check", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-crash-reporter", "--disable-breakpad", "--no-pdf-header-footer",
    "--virtual-time-budget=30000",
)  # fmt: skip
_ASK = 15.0  # seconds for a browser to say its version
_VERSION = re.compile(r"([A-Z][A-Za-z ]*?) ?(\d+(?:\.\d+)+)")


class ChromiumError(RuntimeError):
    """The browser did not print the page."""


def find_chromium() -> str | None:
    """The path of a Chromium, Chrome or Edge, or None.

    The variable VOGN_CHROMIUM comes first; set to something that is not there, such as
    "none", it turns the search off.
    """
    told = os.environ.get(VARIABLE)
    if told:
        return shutil.which(told)
    found = (shutil.which(name) for name in (*_NAMES, *_MAC))
    return next((path for path in found if path), None)


def chromium_version(browser: str, timeout: float = _ASK) -> str:
    """What a browser calls itself, such as "Chromium 149.0.7827.76".

    Args:
        browser: Its path.
        timeout: Seconds after which it is killed.

    Returns:
        Name and version; the file's name where it tells none.

    Raises:
        ChromiumError: If it cannot be run.
    """
    with _workplace() as folder:
        said = _run([browser, "--version"], folder, timeout)
    match = _VERSION.search(said)
    return f"{match[1].strip()} {match[2]}" if match else Path(browser).stem


def print_page(browser: str, page: str, timeout: float = 60.0) -> bytes:
    """Print a page.

    Args:
        browser: Path of a Chromium.
        page: The HTML.
        timeout: Seconds after which the browser and all it started are killed.

    Returns:
        The PDF.

    Raises:
        ChromiumError: If there is none in time.
    """
    with _workplace() as folder:
        source, target = folder / "report.html", folder / "report.pdf"
        source.write_text(page, encoding="utf-8")
        command = [browser, *_SWITCHES, f"--user-data-dir={folder / 'profile'}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium refuses to run as root otherwise
        command += [f"--print-to-pdf={target}", source.as_uri()]
        said = _run(command, folder, timeout)
        content = target.read_bytes() if target.is_file() else b""
    if not content.startswith(b"%PDF") or b"%%EOF" not in content[-1024:]:
        raise ChromiumError(f"it printed nothing; it said: {said[-300:].strip()}")
    return content


@contextmanager
def _workplace() -> Iterator[Path]:
    folder = None
    try:
        with held_back():
            folder = Path(tempfile.mkdtemp(prefix="vogn-"))
        yield folder
    finally:
        if folder is not None:
            with held_back():
                _remove(folder)


def _remove(folder: Path) -> None:
    # A browser that was just killed may still be letting go of its files.
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(0.05)


def _run(command: Sequence[str], folder: Path, timeout: float) -> str:
    """Run a command and kill whatever it leaves; returns what it said."""
    log = folder / "output.txt"
    process = None
    try:
        # An interruption between start and assignment would orphan the browser.
        with held_back():
            process = _start(command, folder, log)
        process.wait(timeout)
    except OSError as error:
        raise ChromiumError(f"it could not be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise ChromiumError(f"it took more than {timeout:g} s") from error
    finally:
        if process is not None:
            with held_back():
                _kill(process)
    return log.read_text(encoding="utf-8", errors="replace")


def _start(command: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    # Chromium keeps files outside its profile too, unless told to keep them here.
    names = ("TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    own = dict.fromkeys(names, str(folder))
    # Into a file: a pipe would stay open as long as any process of the browser lives.
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603, a browser of the user's choice
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | own,
            start_new_session=True,
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all of its group, and wait until it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # Windows
            process.kill()
    process.wait()
