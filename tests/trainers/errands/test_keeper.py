"""Tests of `trainers/errands`, with real processes."""

import json
import os
import signal
import sys
import time

import psutil
import pytest

from trainers.errands import (
    DONE,
    FAILED,
    LOST,
    RUNNING,
    begin,
    end,
    look,
    suffixed,
)
from trainers.runs import RunError

PATIENCE = 60.0  # seconds; the machine may be busy


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place whose errands can be modules of the test's own."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield tmp_path / "sub" / "report"
    for process in psutil.process_iter():
        try:
            if str(tmp_path) in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


def module(place, text):
    name = f"errand_{abs(hash(text))}"
    (place.parent.parent / f"{name}.py").write_text(text)
    return name


def ended(place):
    return until(lambda: (found := look(place)).state != RUNNING and found)


def until(condition):
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    return pytest.fail("Waited in vain.")


def test_an_errand_runs_and_is_told(place):
    assert look(place) is None
    words = module(place, "import sys; print('hello', sys.argv[1:])")
    begin(place, [words, "a b", "--c"])
    found = ended(place)
    assert (found.state, found.code) == (DONE, 0)
    assert found.arguments == (words, "a b", "--c")
    assert found.log == "hello ['a b', '--c']"
    assert abs(time.time() - found.started) < PATIENCE


def test_one_that_fails_tells_its_code_and_last_words(place):
    begin(place, [module(place, "raise SystemExit('no data')")])
    found = ended(place)
    assert (found.state, found.code, found.log) == (FAILED, 1, "no data")


def test_one_at_a_time_and_the_next_one_begins_anew(place):
    name = module(place, "import time; print('slow', flush=True); time.sleep(600)")
    begin(place, [name])
    until(lambda: "slow" in look(place).log)
    assert look(place).state == RUNNING
    with pytest.raises(RunError, match="under way already"):
        begin(place, [name])
    end(place)
    found = ended(place)
    assert (found.state, found.code) == (FAILED, 128 + signal.SIGTERM)
    begin(place, [module(place, "print('again')")])
    assert ended(place).log == "again"


def test_a_stop_ends_the_children_too(place):
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "print(child.pid, flush=True)\ntime.sleep(600)\n"
    )
    begin(place, [module(place, text)])
    child = int(until(lambda: look(place).log.strip()))
    end(place)
    ended(place)
    until(lambda: not psutil.pid_exists(child))


def test_a_killed_keeper_leaves_no_errand_that_runs_for_ever(place, monkeypatch):
    begin(
        place, [module(place, "import time; print('x', flush=True); time.sleep(600)")]
    )
    until(lambda: look(place).log)
    os.kill(int(suffixed(place, "lock").read_text()), signal.SIGKILL)
    monkeypatch.setattr("trainers.errands.BOOT", 0.0)
    assert ended(place).state == LOST


def test_an_end_of_nothing_is_nothing(place):
    end(place)
    assert look(place) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"started": "x"}', "null"])
def test_a_damaged_record_is_told(place, text):
    place.parent.mkdir(parents=True)
    suffixed(place, "json").write_text(text)
    with pytest.raises(RunError, match=r"report\.json"):
        look(place)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be started"):
        begin(tmp_path / "file" / "report", ["x"])


def test_the_record_is_json(place):
    begin(place, [module(place, "print(1)")])
    ended(place)
    content = json.loads(suffixed(place, "json").read_text())
    assert set(content) == {"arguments", "started", "code"}
    assert sys.executable not in content["arguments"]
