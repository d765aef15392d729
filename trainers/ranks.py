"""Which of the processes of a data-parallel run this one is. Torch-free.

`torchrun --nproc-per-node N -m trainers run ...` starts N processes, the ranks, and
tells each its place by environment variables. The batch of the configuration is shared
out over them, so that a run takes the same steps at any number of ranks.
"""

import ctypes
import os
import random
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# All of them: a cluster may set some of these for reasons of its own.
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")

LOGS = "VOGN_RANK_LOGS"  # folder in which every rank keeps its own log
LAUNCHER = "VOGN_LAUNCHER"  # number of the process without which no rank goes on
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those of a run.

    Args:
        rank: Number of this process; 0 writes everything.
        size: Number of processes, the world size.
        local_rank: Number of this process on its machine, and so of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def __post_init__(self) -> None:
        _check("WORLD_SIZE", self.size, 1, None)
        _check("RANK", self.rank, 0, self.size)
        _check("LOCAL_RANK", self.local_rank, 0, self.size)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0


def _check(name: str, value: int, minimum: int, end: int | None) -> None:
    if value < minimum or (end is not None and value >= end):
        above = "" if end is None else f" and < {end}"
        raise ValueError(f"{name} must be >= {minimum}{above}, got {value}.")


def launched_ranks(environment: Mapping[str, str] | None = None) -> Ranks:
    """The ranks that torchrun started, or one process without it.

    Args:
        environment: Variables; by default those of this process.

    Returns:
        The place of this process.

    Raises:
        ValueError: If a variable of torchrun is no whole number, or out of range.
    """
    environment = os.environ if environment is None else environment
    if any(name not in environment for name in VARIABLES):
        return Ranks()
    rank, size, local = (_number(environment, name) for name in VARIABLES[:3])
    return Ranks(rank, size, local)


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment[name]
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be a whole number, got {text!r}.") from None


def keep_log(ranks: Ranks) -> None:
    """Append all that this process prints to its own log, where one is wanted.

    The folder is that of the environment's `VOGN_RANK_LOGS`, the file `rank0.log` and
    so on. Call it before torch is imported, so that compiled code writes there too.

    Args:
        ranks: The place of this process.

    Raises:
        ValueError: If the file cannot be written.
    """
    folder = os.environ.get(LOGS)
    if not folder:
        return
    path = Path(folder) / f"rank{ranks.rank}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
    except OSError as error:
        raise ValueError(f"{LOGS} must be a folder to write in: {error}") from None


def end_with_launcher() -> None:
    """Have this process asked to stop when the launcher that it needs is killed.

    Torchrun's ranks outlive a torchrun that is killed. Where the environment names
    `VOGN_LAUNCHER` they do not: Linux sends them SIGTERM, and they end in a checkpoint.
    """
    launcher = os.environ.get(LAUNCHER)
    if not launcher or sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if launcher_is_gone():  # before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def launcher_is_gone() -> bool:
    """Whether this process needs a launcher (`end_with_launcher`) that was killed."""
    launcher = os.environ.get(LAUNCHER)
    return bool(launcher) and str(os.getppid()) != launcher


def share(num_rows: int, ranks: Ranks) -> slice:
    """The rows of a batch that fall to one rank.

    Contiguous shares that differ by one row at most, the longer first. No rank gets a
    single row unless the batch has no other: BatchNorm has no statistics for it. So
    the last ranks get none of a batch with fewer than two rows for each.

    Args:
        num_rows: Rows of the whole batch.
        ranks: Whose share is wanted.

    Returns:
        The slice of its rows, maybe empty.
    """
    takers = max(1, min(ranks.size, num_rows // 2))
    if ranks.rank >= takers:
        return slice(num_rows, num_rows)
    each, longer = divmod(num_rows, takers)
    start = ranks.rank * each + min(ranks.rank, longer)
    return slice(start, start + each + (ranks.rank < longer))


def rank_seed(seed: int, ranks: Ranks, step: int) -> int:
    """Seed of a rank's own stream of torch's global generator, from a step on.

    Args:
        seed: Seed of the run.
        ranks: Whose stream.
        step: Steps done.

    Returns:
        A number in [0, 2^63).
    """
    return random.Random(f"{seed} {ranks.rank} {step}").getrandbits(63)  # noqa: S311
