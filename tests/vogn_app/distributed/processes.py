"""Runs a function on several real processes that share a process group."""

import multiprocessing
import sys
import time
import traceback
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import mkdtemp

import torch
import torch.distributed as dist

SECONDS = 180  # for all processes of a test together
GONE = "all ranks must take part until the end, got an exchange that failed: a rank"

# Its children have torch already; each would need seconds to import it.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["torch.distributed.nn", "torch._dynamo"])


def run(function, size, folder, *args, may_die=()):
    """Run `function(rank, *args)` on processes with the default group initialised.

    Args:
        function: At the top of a module.
        size: Number of processes.
        folder: Where they meet, and leave their results.
        args: Further arguments.
        may_die: Ranks whose death is no error.

    Returns:
        What the function gave on each rank; None of a rank that died.
    """
    folder = Path(mkdtemp(dir=folder))  # a meeting's file serves once
    processes = [
        _context.Process(target=_member, args=(rank, size, folder, function, args))
        for rank in range(size)
    ]
    try:
        for process in processes:
            process.start()
        _await(processes, folder, may_die)
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()
    return [_result(folder / f"{rank}.pt") for rank in range(size)]


def _await(processes, folder, may_die):
    """Until all have ended; an error in one, or a hang, is an error here."""
    deadline = time.monotonic() + SECONDS
    waiting = dict(enumerate(processes))
    while waiting:
        ended = wait(
            [p.sentinel for p in waiting.values()], deadline - time.monotonic()
        )
        assert ended, f"ranks {sorted(waiting)} hang"
        for rank in [r for r, p in waiting.items() if p.sentinel in ended]:
            process = waiting.pop(rank)
            process.join()
            if process.exitcode and rank not in may_die:
                error = folder / f"{rank}.error"
                text = error.read_text() if error.exists() else process.exitcode
                raise AssertionError(f"rank {rank}: {text}")


def _result(path):
    return torch.load(path, weights_only=False) if path.exists() else None


def _member(rank, size, folder, function, args):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(rank)  # as different as it gets
    meeting = f"file://{folder / 'meeting'}"  # a port could be taken by others
    try:
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
        torch.save(function(rank, *args), folder / f"{rank}.pt")
        if dist.is_initialized():
            dist.barrier()
            dist.destroy_process_group()
    except BaseException:
        (folder / f"{rank}.error").write_text(traceback.format_exc())
        sys.exit(1)


def message_of(function, *args):
    """Text of the error that a call raises, and the seconds that it took; or None."""
    start = time.monotonic()
    try:
        function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}", time.monotonic() - start
    return None
