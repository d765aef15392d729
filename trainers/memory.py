"""Memory of this machine: what is free, what a process takes, and where it must end."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch

SAMPLING = 0.005  # seconds between two looks at the memory
CGROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int:
    """Bytes that this process could still take."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limit = int((CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        lines = (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        kept = dict(line.split() for line in lines)
        free = min(free, limit - used + int(kept.get("inactive_file", 0)))
    return max(0, free)


def limit_memory(num_bytes: int | None = None) -> None:
    """Let the process take no more than so many further bytes.

    An error is better than a machine without memory, whose system kills what it likes.

    Args:
        num_bytes: All that are free, if not given.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource

        used = psutil.Process().memory_info()
        more = free_memory(torch.device("cpu")) if num_bytes is None else num_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        ceiling = getattr(used, "data", used.rss) + more
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, hard))


@contextmanager
def peak_memory(device: torch.device) -> Iterator[list[int]]:
    """Watch the memory during the block.

    On the CPU it is that of the whole process, Python and torch among it.

    Yields:
        A list whose one number is the peak, after the block.
    """
    peak = [0]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak[0] = int(torch.cuda.max_memory_allocated(device))
        return
    process, done = psutil.Process(os.getpid()), threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLING):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        peak[0] = max(peak[0], process.memory_info().rss)


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error) or "out of memory" in str(error)
