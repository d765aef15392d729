"""Sums over ranks that begin while the backward pass still runs.

Values go into buckets in the order in which a backward pass finishes them, and a full
bucket is summed in the background while the next one fills. All ranks sum the same
buckets in the same order, whatever each of them has to contribute.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from .ranks import Ranks, all_present

BUCKET_BYTES = 25 * 2**20
FIRST_BYTES = 2**20  # small, so that the first sum begins early

Shape = tuple[torch.Size, torch.dtype, torch.device]


@dataclass(frozen=True)
class Slot:
    """Where an entry lies.

    Args:
        bucket: Number of its bucket.
        start: First element there.
        shape: Shape of the entry.
    """

    bucket: int
    start: int
    shape: torch.Size


def assign(
    entries: Sequence[Shape], limit: int = BUCKET_BYTES, first: int = FIRST_BYTES
) -> list[Slot]:
    """Put entries into buckets of one type and device, in order.

    Args:
        entries: Shape, type and device of each, in the order in which they get ready.
        limit: Size of a bucket in bytes, which a single entry may exceed.
        first: The same for the first bucket.

    Returns:
        The place of each entry.
    """
    slots: list[Slot] = []
    bucket, used, kind = -1, 0, None
    for shape, dtype, device in entries:
        size = shape.numel() * dtype.itemsize
        room = first if bucket == 0 else limit
        if kind != (dtype, device) or (used and used + size > room):
            bucket, used, kind = bucket + 1, 0, (dtype, device)
        slots.append(Slot(bucket, used // dtype.itemsize, shape))
        used += size
    return slots


class Buckets:
    """Memory for values that are to be summed over the ranks.

    Args:
        entries: Shape, type and device of each value, in the order of readiness; the
            same on every rank.
        ranks: The processes.
        limit: Size of a bucket in bytes.
        first: The same for the first bucket.
    """

    def __init__(
        self,
        entries: Sequence[Shape],
        ranks: Ranks,
        limit: int = BUCKET_BYTES,
        first: int = FIRST_BYTES,
    ) -> None:
        self.ranks, self.slots = ranks, assign(entries, limit, first)
        members: list[list[int]] = []
        for index, slot in enumerate(self.slots):
            if slot.bucket == len(members):
                members.append([])
            members[slot.bucket].append(index)
        self._members = members
        self._memory = [self._allocate(entries, each) for each in members]
        self.begin()

    def _allocate(self, entries: Sequence[Shape], members: list[int]) -> Tensor:
        last = self.slots[members[-1]]
        _, dtype, device = entries[members[0]]
        size = last.start + last.shape.numel()
        return torch.empty(size, dtype=dtype, device=device)

    def begin(self) -> None:
        """Forget all values."""
        self._filled: set[int] = set()
        self._missing = [len(members) for members in self._members]
        self._works: list[dist.Work] = []

    def put(self, index: int, value: Tensor | None, factor: float = 1.0) -> None:
        """Put a value in its place, and begin the sums that are complete.

        Args:
            index: Which value.
            value: The value; None for zeros.
            factor: What to multiply it by.
        """
        assert index not in self._filled
        place = self._view(index)
        if value is None:
            place.zero_()
        elif value.dtype == place.dtype:
            torch.mul(value, factor, out=place)
        else:  # the product would be rounded to the type of the value
            place.copy_(value).mul_(factor)
        self._filled.add(index)
        self._missing[self.slots[index].bucket] -= 1
        self._launch_complete()

    def _launch_complete(self) -> None:
        """Begin the sums of full buckets, unless one before them is not full."""
        for bucket in range(len(self._works), len(self._missing)):
            if self._missing[bucket]:
                return
            flat = self._memory[bucket]
            with all_present():
                work = dist.all_reduce(flat, group=self.ranks.group, async_op=True)
            assert work is not None
            self._works.append(work)

    @property
    def under_way(self) -> bool:
        """Whether sums were begun that `finish` did not complete."""
        return bool(self._works)

    @property
    def filled(self) -> set[int]:
        """Indices of the values that are in place."""
        return self._filled

    def finish(self, values: Callable[[int], tuple[Tensor | None, float]]) -> None:
        """Put in what is missing, and wait for all sums.

        Args:
            values: Value and factor of an index.
        """
        for index in range(len(self.slots)):
            if index not in self._filled:
                self.put(index, *values(index))
        with all_present():
            for work in self._works:
                work.wait()
        self._works = []

    def result(self, index: int) -> Tensor:
        """A value's sum over the ranks, in memory that the next round uses again."""
        return self._view(index)

    def _view(self, index: int) -> Tensor:
        slot = self.slots[index]
        flat = self._memory[slot.bucket]
        return flat[slot.start : slot.start + slot.shape.numel()].view(slot.shape)
