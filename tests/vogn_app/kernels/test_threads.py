"""Sharing work: every unit is done once, whatever the threads do."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vogn_app.kernels import threads
from vogn_app.kernels.threads import in_parts

# A child of a process that had threads must neither hang nor compute anything else.
FORK = """
import os, signal, warnings
import torch
from vogn_app.kernels import supports, threads, token_sums
torch.set_num_threads(3)
threads.LEAST = 1.0
x, g = torch.randn(8, 5, 64), torch.randn(8, 5, 64)
assert supports(x, g)
before = [t.tolist() for t in token_sums(x, g)]
assert threads._pool.cache_info().currsize == 1
warnings.simplefilter("ignore", DeprecationWarning)  # Python's, on forks with threads
child = os.fork()
if not child:
    signal.alarm(60)
    same = [t.tolist() for t in token_sums(x, g)] == before
    os._exit(0 if same and threads._pool.cache_info().currsize == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
assert [t.tolist() for t in token_sums(x, g)] == before
"""


class Record:
    """Counts how often each unit was done, and by which threads."""

    def __init__(self, units):
        self.counts, self.threads = [0] * units, set()

    def __call__(self, begin, end):
        self.threads.add(threading.get_ident())
        for unit in range(begin, end):
            self.counts[unit] += 1


@pytest.mark.parametrize("num", [1, 2, 3, 8])
@pytest.mark.parametrize("units", [0, 1, 2, 3, 7, 100])
def test_every_unit_is_done_once(units, num, many_parts):
    many_parts(num)
    record = Record(units)
    in_parts(record, units, 1.0)
    assert record.counts == [1] * units


def test_little_work_stays_in_the_calling_thread():
    torch.set_num_threads(4)
    calls = []
    in_parts(lambda *part: calls.append(part), 100, threads.LEAST)
    assert calls == [(0, 100)]


def test_other_threads_do_help(many_parts):
    many_parts(2)
    together = threading.Barrier(2, timeout=60)  # passed by two threads at once only
    num_parts = []

    def meet(*part):
        num_parts.append(part)
        together.wait()

    in_parts(meet, 4, 1.0)
    assert len(num_parts) == 4


def test_an_exception_is_raised_and_ends_the_work(many_parts):
    many_parts(2)

    def fail(begin, end):
        raise MemoryError("none left")

    with pytest.raises(MemoryError, match="none left"):
        in_parts(fail, 100, 1.0)
    record = Record(100)
    in_parts(record, 100, 1.0)
    assert record.counts == [1] * 100


def test_an_exception_in_another_thread_is_raised_too(many_parts):
    many_parts(2)
    main, failed = threading.get_ident(), threading.Event()

    def fail_elsewhere(begin, end):
        if threading.get_ident() == main:
            assert failed.wait(60)
            return
        failed.set()
        raise MemoryError("none left")

    with pytest.raises(MemoryError, match="none left"):
        in_parts(fail_elsewhere, 100, 1.0)


def test_after_an_exception_nobody_begins_another_part(many_parts):
    many_parts(2)
    main, helping, failed = threading.get_ident(), threading.Event(), threading.Event()
    begun = []

    def fail_here(*part):
        begun.append(part)
        if threading.get_ident() == main:
            assert helping.wait(60)
            failed.set()
            raise MemoryError("none left")
        helping.set()
        assert failed.wait(60)
        time.sleep(0.2)  # the exception is on its way

    with pytest.raises(MemoryError, match="none left"):
        in_parts(fail_here, 4, 1.0)
    assert len(begun) == 2


@pytest.mark.parametrize("queued", [False, True])
def test_threads_that_cannot_be_had_are_not_missed(queued, many_parts, monkeypatch):
    """Python may put work in the queue before it finds that no thread can start."""
    many_parts(4)
    waiting = []

    def submit(self, work):
        if queued:
            waiting.append(work)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    record = Record(100)
    in_parts(record, 100, 1.0)
    for work in waiting:
        work()  # a thread comes late
    assert record.counts == [1] * 100


def test_a_helper_that_never_comes_is_called_off(many_parts, monkeypatch):
    many_parts(2)
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(threads, "_pool", lambda pid: pool)
    busy, record = threading.Event(), Record(100)
    pool.submit(busy.wait)
    in_parts(record, 100, 1.0)
    assert record.counts == [1] * 100
    assert record.threads == {threading.get_ident()}
    busy.set()
    pool.shutdown()


@pytest.mark.usefixtures("native")
def test_a_fork_after_use_works():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
