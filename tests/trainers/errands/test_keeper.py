"""Tests of `trainers/errands`, with real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import psutil
import pytest

from trainers.errands import (
    DONE,
    FAILED,
    LOST,
    RUNNING,
    STOPPED,
    begin,
    end,
    is_at_work,
    look,
    note,
    suffixed,
)
from trainers.errands import keeper as keeping
from trainers.jobs.locks import FileLock
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
    words = module(
        place,
        "import os, sys; print('hello', sys.argv[1:])\n"
        "assert os.environ['VOGN_LAUNCHER'] == str(os.getppid())",
    )
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
    assert (found.state, found.code) == (STOPPED, 128 + signal.SIGTERM)
    assert not suffixed(place, "stop").exists()
    begin(place, [module(place, "print('again')")])
    assert ended(place).log == "again"


def test_one_that_has_not_begun_yet_is_stopped_too(place):
    begin(place, [module(place, "import time; time.sleep(600)")])
    end(place)  # before its keeper has taken the lock
    assert ended(place).state == STOPPED


def test_a_stop_hits_nobody_whose_number_an_earlier_errand_had(place):
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        with FileLock(suffixed(place, "lock")) as lock:
            assert lock.acquire()
            lock.write(f"{stranger.pid} {stranger.pid}")
            note(place, ["x"], time.time())
            end(place)
        assert suffixed(place, "stop").exists()
        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(0.2)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stop_that_comes_after_the_last_word_leaves_no_file(place):
    with FileLock(suffixed(place, "lock")) as lock:
        assert lock.acquire()
        note(place, ["x"], time.time(), 0)  # and it has looked for wishes
        end(place)
    assert not suffixed(place, "stop").exists()


def test_a_stop_waits_for_one_that_is_just_being_begun(place):
    with FileLock(place.with_name(f".{place.name}.begin")) as turn:
        assert turn.acquire()
        note(place, ["x"], time.time())
        asking = Thread(target=end, args=(place,))
        asking.start()
        time.sleep(0.1)
        assert not suffixed(place, "stop").exists()
        note(place, ["x"], time.time(), 0)  # it was over at once
    asking.join()
    assert not suffixed(place, "stop").exists()


@pytest.mark.parametrize("code", [0, 3])
def test_one_that_was_faster_than_its_stop_is_not_called_stopped(
    tmp_path, monkeypatch, code
):
    def slowly(_):
        time.sleep(0.3)
        return True

    monkeypatch.setattr(keeping, "_is_to_end", slowly)
    with FileLock(tmp_path / "lock") as lock:
        assert lock.acquire()
        words = ["sh", "-c", f"exit {code}"]
        assert keeping._kept(words, lock, tmp_path / "report") == code


def test_a_keeper_makes_no_folder_again_that_was_deleted(place, capsys):
    assert keeping.main([str(place), "nothing"]) == 3
    assert not place.parent.exists()
    assert capsys.readouterr().err == "The folder is gone.\n"


def test_an_errand_ends_when_its_folder_is_deleted(place):
    name = module(place, "import time; print('on', flush=True); time.sleep(600)")
    begin(place, [name])
    until(lambda: look(place).log)
    pids = [*map(int, suffixed(place, "lock").read_text().split())]
    place.parent.rename(place.parent.with_name("grave"))
    until(lambda: not any(map(is_at_large, pids)))
    assert not place.parent.exists()


def is_at_large(pid):
    return psutil.pid_exists(pid) and not is_zombie(pid)


def test_it_is_known_whether_a_folder_is_worked_in(tmp_path):
    assert not is_at_work(tmp_path)
    for place in (tmp_path / ".report-making", tmp_path / "log" / "shift"):
        place.parent.mkdir(exist_ok=True)
        place.with_name(f".{place.name}.begin").touch()
        note(place, ["x"], time.time())  # which its keeper has yet to see
        assert is_at_work(tmp_path)
        note(place, ["x"], time.time(), 0)
        assert not is_at_work(tmp_path)
        with FileLock(suffixed(place, "lock")) as lock:
            assert lock.acquire()
            assert is_at_work(tmp_path)


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


def test_a_killed_keeper_does_not_free_the_place_while_its_errand_goes_on(place):
    begin(
        place, [module(place, "import time; print('x', flush=True); time.sleep(600)")]
    )
    until(lambda: look(place).log)
    keeper, errand = map(int, suffixed(place, "lock").read_text().split())
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(keeper) or is_zombie(keeper))
    assert look(place).state == RUNNING
    with pytest.raises(RunError, match="under way already"):
        begin(place, ["x"])
    end(place)
    until(lambda: not psutil.pid_exists(errand))


def is_zombie(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_an_errand_of_which_all_were_killed_is_lost(place, monkeypatch):
    begin(
        place, [module(place, "import time; print('y', flush=True); time.sleep(600)")]
    )
    until(lambda: look(place).log)
    for pid in map(int, suffixed(place, "lock").read_text().split()):
        os.kill(pid, signal.SIGKILL)
    monkeypatch.setattr("trainers.errands.BOOT", 0.0)
    assert ended(place).state == LOST


def test_of_many_that_begin_at_once_one_does(place):
    name = module(place, "import time; print('once', flush=True); time.sleep(600)")

    def attempt():
        try:
            begin(place, [name])
        except RunError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda _: attempt(), range(6))) == 1
    until(lambda: "once" in look(place).log)
    assert look(place).log == "once"
    end(place)
    ended(place)


def test_a_log_that_leads_elsewhere_is_not_read(place, tmp_path):
    begin(place, [module(place, "print(1)")])
    ended(place)
    (tmp_path / "secret").write_text("secret")
    suffixed(place, "log").unlink()
    suffixed(place, "log").symlink_to(tmp_path / "secret")
    assert look(place).log == ""


def test_an_end_of_nothing_is_nothing(place):
    end(place)
    assert look(place) is None


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"started": "x"}', "null",
     '{"arguments": [], "started": 1, "code": [1]}'],
)  # fmt: skip
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
