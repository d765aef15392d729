"""What the ranks of a run tell each other, and how they end together.

One process is a `Group` that has nobody to ask; several are a `RankGroup`. Flags and
numbers travel on the CPU (gloo), so that no step waits for a GPU; gradients travel
where they are (NCCL on GPUs).

A rank that fails says so before it leaves. The others notice a closed connection and
end with a `DistributedError` that names it.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from trainers.farewells import Farewells
from trainers.ranks import Ranks
from trainers.status import Process

T = TypeVar("T")

MEETING = 300.0  # seconds for all ranks to come
# A dead rank is noticed by its closed connection. This is for silent ones, and must
# outlast what rank 0 does alone between two steps: a validation, a checkpoint.
SILENCE = timedelta(hours=1)
FATE = 2.0  # seconds in which the end of a lost rank shows


class DistributedError(RuntimeError):
    """Another rank of the run failed, ended or never came."""


class Group:
    """The processes of a run: here one alone."""

    ranks = Ranks()
    workers: tuple[Process, ...] = ()

    @property
    def is_main(self) -> bool:
        """Whether this process writes and prints."""
        return self.ranks.is_main

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether a rank raised it."""
        return flags

    def told(self, value: Any) -> Any:
        """What rank 0 gave, on every rank."""
        return value

    def from_main(self, compute: Callable[[], T]) -> T:
        """What `compute` gives on rank 0; all raise what it raises."""
        return compute()

    def wait(self) -> None:
        """Go on when every rank has come here."""

    def parallel(self, model: nn.Module) -> nn.Module:
        """The network, with gradients that are averaged over the ranks."""
        return model

    def totals(
        self,
        losses: Tensor,
        corrects: Tensor,
        shares: Sequence[float],  # noqa: ARG002 - of one process it is all
        counts: Sequence[int],  # noqa: ARG002
    ) -> tuple[list[float], list[float]]:
        """Mean losses and right predictions of whole batches, from those of shares.

        Args:
            losses: Mean loss over this rank's share of each of K batches [K].
            corrects: Right predictions in it [K].
            shares: Its numbers of examples, or its weights.
            counts: Numbers of examples of the whole batches.

        Returns:
            Two lists of K numbers, the same on all ranks.
        """
        return losses.tolist(), corrects.tolist()


class RankGroup(Group):
    """Several processes.

    Args:
        ranks: The place of this process.
        store: The launcher's key-value store.
    """

    def __init__(self, ranks: Ranks, store: Any) -> None:
        self.ranks, self._store = ranks, store
        self.farewells = Farewells(ranks, store)

    def meet(self) -> None:
        """Wait for all ranks, then connect.

        Raises:
            DistributedError: If some do not come in time.
        """
        self._store.set(f"here/{self.ranks.rank}", "")
        arrivals = [f"here/{rank}" for rank in range(self.ranks.size)]
        deadline = time.monotonic() + MEETING
        # Not in the library's own wait, which no signal interrupts.
        while not self._store.check(arrivals):
            if time.monotonic() > deadline:
                raise DistributedError(
                    f"all {self.ranks.size} ranks must come within {MEETING:g} "
                    "seconds, got fewer."
                )
            time.sleep(0.02)
        gpus = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpus else "gloo", store=self._store,
            rank=self.ranks.rank, world_size=self.ranks.size, timeout=SILENCE,
        )  # fmt: skip
        own = (socket.gethostname(), asdict(Process.current()))
        everybody: list[Any] = [None] * self.ranks.size
        dist.all_gather_object(everybody, own)
        self.workers = tuple(Process(**process) for _, process in everybody[1:])
        self.farewells.know(everybody)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether a rank raised it."""
        raised = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(raised, op=dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in raised.tolist())

    def told(self, value: Any) -> Any:
        """What rank 0 gave, on every rank."""
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def from_main(self, compute: Callable[[], T]) -> T:
        """What `compute` gives on rank 0; all raise what it raises."""
        value, error = None, None
        if self.is_main:
            try:
                value = compute()
            except Exception as raised:  # raised again below, by all
                error = raised
        value, error = self.told((value, error))
        if error is not None:
            raise error
        result: T = value
        return result

    def wait(self) -> None:
        """Go on when every rank has come here."""
        self.any(False)

    def parallel(self, model: nn.Module) -> nn.Module:
        """The network, with gradients that are averaged over the ranks."""
        return DistributedDataParallel(model)

    def totals(
        self,
        losses: Tensor,
        corrects: Tensor,
        shares: Sequence[float],
        counts: Sequence[int],
    ) -> tuple[list[float], list[float]]:
        """Mean losses and right predictions of whole batches, from those of shares."""
        sizes = torch.tensor(shares, dtype=torch.float64)
        rows = torch.stack([losses.double().cpu() * sizes, corrects.double().cpu()])
        rows[:, sizes == 0] = 0.0  # what such a rank computed was not for its numbers
        dist.all_reduce(rows)
        means = rows[0] / torch.tensor(counts, dtype=torch.float64)
        return means.tolist(), rows[1].tolist()


@contextmanager
def joined(ranks: Ranks) -> Iterator[Group]:
    """Be one of a run's processes for the block.

    Args:
        ranks: The place of this process.

    Yields:
        The group, connected.

    Raises:
        DistributedError: If another rank failed or cannot be reached.
    """
    if ranks.size == 1:
        yield Group()
        return
    store, *_ = next(rendezvous("env://", ranks.rank, ranks.size))
    group = RankGroup(ranks, store)
    try:
        group.meet()
        yield group
        group.farewells.say("")
    except BaseException as error:
        words = _others_fault(group, error)
        blameless = words or isinstance(error, KeyboardInterrupt | DistributedError)
        fault = "" if blameless else f"{type(error).__name__}: {error}"
        group.farewells.say(fault)
        if words:
            raise DistributedError(words) from error
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _others_fault(group: RankGroup, error: BaseException) -> str:
    """What another rank did that ended this one with the given error, or ""."""
    if isinstance(error, KeyboardInterrupt):  # the launcher ends all after a failure
        return group.farewells.culprit()
    if not is_connection_error(error):
        return ""
    culprit = group.farewells.culprit(FATE)
    return culprit or f"Another rank cannot be reached: {error}"


def is_connection_error(error: BaseException) -> bool:
    """Whether an error tells of other ranks rather than of this one."""
    # gloo's errors have no class of their own; they begin with its source file.
    gloo = type(error) is RuntimeError and "/gloo/" in str(error)
    return gloo or isinstance(error, dist.DistError)
