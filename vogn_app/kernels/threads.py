"""Work shared among as many threads as torch uses.

OpenMP would bring a second runtime beside torch's own. Python threads do as well, since
ctypes lets go of the interpreter while C runs.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import torch

LEAST = 100_000.0  # nanoseconds of work that pay for waking another thread


def in_parts(run: Callable[[int, int], None], units: int, nanoseconds: float) -> None:
    """Run over units 0 to `units`, on several threads if that pays.

    Args:
        run: Does units `begin` to `end - 1`; called for parts that cover all units
            once. It must not depend on which parts.
        units: How many there are.
        nanoseconds: What all of them take on one thread, roughly.
    """
    threads = min(torch.get_num_threads(), units, int(nanoseconds / LEAST))
    if threads < 2:
        run(0, units)
        return
    num = min(units, 2 * threads)  # more than threads, as some may be held up
    parts = deque((units * k // num, units * (k + 1) // num) for k in range(num))
    helpers: list[Future[None]] = []
    try:
        _enlist(helpers, threads - 1, lambda: _work(parts, run))
        _work(parts, run)
    finally:
        parts.clear()  # after an exception nobody begins another one
        for helper in helpers:
            if not helper.cancel():
                helper.result()


def _work(parts: deque[tuple[int, int]], run: Callable[[int, int], None]) -> None:
    """Take parts until there are none."""
    while True:
        try:
            part = parts.popleft()
        except IndexError:
            return
        run(*part)


def _enlist(helpers: list[Future[None]], num: int, work: Callable[[], None]) -> None:
    """Ask other threads to help; whoever does not come is not missed."""
    try:
        helpers.extend(_pool(os.getpid()).submit(work) for _ in range(num))
    except RuntimeError:  # no thread to be had, or the interpreter is about to end
        return


@cache
def _pool(pid: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a fork has no threads
    """The threads of one process."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="vogn_app")
