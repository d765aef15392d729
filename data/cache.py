"""The folders datasets are looked for in, and who may fill them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE_VARIABLE = "VOGN_CACHE"
SYSTEM_VARIABLE = "VOGN_SYSTEM_DATA"


def cache_folder(cache: str | Path | None = None) -> Path:
    """Name the folder downloads go to.

    Args:
        cache: The folder itself; None means the environment's VOGN_CACHE, else
            `.cache/datasets` beside this package.
    """
    default = Path(__file__).resolve().parents[1] / ".cache" / "datasets"
    return Path(cache or os.environ.get(CACHE_VARIABLE) or default).expanduser()


def system_folder() -> Path:
    """Name the folder Debian's dataset packages install to, or VOGN_SYSTEM_DATA."""
    return Path(os.environ.get(SYSTEM_VARIABLE) or "/usr/share/datasets")


@contextmanager
def cache_lock(cache: Path) -> Iterator[None]:
    """Hold the cache against other processes, so that none reads half a download.

    Several ranks, or two runs launched together, ask for the same dataset at once.
    """
    try:
        file = (cache / ".lock").open("w")
    except OSError:  # absent or read-only: nobody is downloading into it
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed
        yield
