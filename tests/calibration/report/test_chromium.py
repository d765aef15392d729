"""Tests of printing by a browser: whatever happens, nothing is left behind."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import psutil
import pytest

from calibration.report import chromium
from calibration.report.chromium import (
    VARIABLE,
    ChromiumError,
    chromium_version,
    find_chromium,
    print_page,
)

PDF = "%PDF-1.4 made up %%EOF"


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """A folder for temporary files, which must be empty in the end."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def browser(folder, script):
    """Return the path of a made-up browser, a shell script."""
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def hanging(folder):
    """Return a browser that starts two processes and never ends."""
    return browser(
        folder, f"sleep 300 &\necho $! $$ > {folder}/pids.part\n"
        f"mv {folder}/pids.part {folder}/pids\nwait",
    )  # fmt: skip


def pids(folder):
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def writes(content):
    return f"""for each in "$@"; do case "$each" in
--print-to-pdf=*) printf '%s' '{content}' > "${{each#*=}}";; esac; done"""


def test_what_the_browser_printed_is_returned(tmp_path):
    path = browser(tmp_path, writes(PDF))
    assert print_page(path, "<html>") == PDF.encode()


def test_a_sandbox_is_given_up_by_root_alone(tmp_path, monkeypatch):
    path = browser(tmp_path, f'echo "$@" > {tmp_path}/said\n{writes(PDF)}')
    for user in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        print_page(path, "<html>")
        said = (tmp_path / "said").read_text()
        assert ("--no-sandbox" in said) == (user == 0)
        assert f"--user-data-dir={tempfile.gettempdir()}" in said


@pytest.mark.parametrize(
    "script", ["exit 3", writes("nothing"), writes("%PDF-1.4 cut off")]
)
def test_a_browser_that_prints_nothing_whole_is_an_error(tmp_path, script):
    with pytest.raises(ChromiumError, match="it printed nothing; it said: no display"):
        print_page(browser(tmp_path, f"echo no display\n{script}"), "<html>")


def test_a_browser_that_cannot_be_started_is_an_error(tmp_path):
    with pytest.raises(ChromiumError, match="could not be started"):
        print_page(str(tmp_path / "absent"), "<html>")


def test_a_browser_that_hangs_is_killed_with_all_it_started(tmp_path):
    path = hanging(tmp_path)
    with pytest.raises(ChromiumError, match=r"more than 0\.5 s"):
        print_page(path, "<html>", timeout=0.5)
    for pid in pids(tmp_path):
        until(lambda pid=pid: gone(pid))


def test_what_an_ended_browser_left_running_is_killed_too(tmp_path):
    script = f"sleep 300 &\necho $! > {tmp_path}/pids\n{writes(PDF)}"
    print_page(browser(tmp_path, script), "<html>")
    (pid,) = pids(tmp_path)
    until(lambda: gone(pid))


def end(number, _):
    # As both commands do: it passes through all that cleans up behind itself.
    raise SystemExit(128 + number)


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)],
)
def test_an_interruption_leaves_no_process_and_no_file(tmp_path, number, error):
    def interrupt():
        until((tmp_path / "pids").exists)
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, end)
    helper = threading.Thread(target=interrupt)
    try:
        helper.start()
        with pytest.raises(error):
            print_page(hanging(tmp_path), "<html>")
    finally:
        helper.join()
        signal.signal(signal.SIGTERM, before)
    for pid in pids(tmp_path):
        until(lambda pid=pid: gone(pid))


def test_an_interruption_while_the_browser_starts_leaves_none(tmp_path, monkeypatch):
    started = []
    start = subprocess.Popen

    def interrupted(*given, **named):
        started.append(start(*given, **named))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        print_page(hanging(tmp_path), "<html>")
    assert started[0].returncode == -signal.SIGKILL


def test_a_second_interruption_does_not_stop_the_cleaning_up(tmp_path, monkeypatch):
    remove = shutil.rmtree

    def interrupted(*given, **named):
        signal.raise_signal(signal.SIGINT)
        remove(*given, **named)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        print_page(browser(tmp_path, writes(PDF)), "<html>")


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Chromium 149.0.7827.76 built on Debian", "Chromium 149.0.7827.76"),
        ("Google Chrome 149.0.1 ", "Google Chrome 149.0.1"),
        ("who knows", "chromium"),
    ],
)
def test_a_browser_says_its_version(tmp_path, says, version):
    assert chromium_version(browser(tmp_path, f"echo '{says}'")) == version


def test_a_browser_named_by_the_user_comes_first(tmp_path, monkeypatch):
    path = browser(tmp_path, "")
    monkeypatch.setenv(VARIABLE, path)
    assert find_chromium() == path
    monkeypatch.setenv(VARIABLE, "none")
    assert find_chromium() is None


def test_a_browser_is_found_on_the_path(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(chromium, "_MAC", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() is None
    path = browser(tmp_path, "")
    assert find_chromium() == path
