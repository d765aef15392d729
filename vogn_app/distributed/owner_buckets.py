"""Sums for the owners of values that begin while the backward pass still runs.

As `buckets`, but a value's sum may go to its owner alone: a bucket then has a buffer
for each rank, of the values that this rank owns. Symmetric matrices travel as upper
triangles, and what is told to in half precision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from .buckets import BUCKET_BYTES, FIRST_BYTES
from .packing import Entry, Layout
from .ranks import Ranks
from .sharding import Pending, reduce_to_owners, sum_over_ranks


@dataclass(frozen=True)
class Item:
    """A value to be summed.

    Args:
        kind: What it is; values of a kind travel together.
        entry: Its shape.
        dtype: Type in which it is summed.
        owner: Rank that gets the sum; None for all of them.
    """

    kind: str
    entry: Entry
    dtype: torch.dtype
    owner: int | None = None

    @property
    def num_bytes(self) -> int:
        """Bytes that are summed."""
        return self.entry.size * self.dtype.itemsize


def grouped(
    items: Sequence[Item], limit: int = BUCKET_BYTES, first: int = FIRST_BYTES
) -> list[list[int]]:
    """Put items into buckets of one kind and type.

    Args:
        items: In the order in which they get ready.
        limit: Size of a bucket in bytes, which a single item may exceed.
        first: The same for the first bucket of a kind.

    Returns:
        Numbers of the items of each bucket, in the order in which buckets get full.
    """
    result: list[list[int]] = []
    filling: dict[object, tuple[list[int], int]] = {}  # members, and bytes left
    for number, item in enumerate(items):
        like = item.kind, item.dtype, item.owner is None
        members, room = filling.get(like, ([], first))
        if members and item.num_bytes > room:
            members, room = [], limit
        if not members:
            result.append(members)
        members.append(number)
        filling[like] = members, room - item.num_bytes
    return sorted(result, key=lambda members: members[-1])


@final
class Bucket:
    """Buffers for some items: one for each owner, or a single one.

    Args:
        items: By number; all of one type, with owners or all without.
        ranks: The processes.
        device: Where the buffers are.
        half: Type in which they are sent; None for their own. Of items with owners.
    """

    def __init__(
        self,
        items: Mapping[int, Item],
        ranks: Ranks,
        device: torch.device,
        half: torch.dtype | None = None,
    ) -> None:
        first = next(iter(items.values()))
        self.kind, self._ranks, self._half = first.kind, ranks, half
        self._owned = first.owner is not None
        self._empty = torch.empty(0, dtype=first.dtype, device=device)
        self._alone = {number: Layout([item.entry]) for number, item in items.items()}
        self._numbers: list[list[int]] = [
            [] for _ in range(ranks.size if self._owned else 1)
        ]
        for number, item in items.items():
            self._numbers[item.owner or 0].append(number)
        self._layouts = [
            Layout(items[number].entry for number in numbers)
            for numbers in self._numbers
        ]
        self._pending: Pending[Tensor] | None = None
        self.begin()

    def begin(self) -> None:
        """Forget all values."""
        if self._pending is not None:
            self._pending.wait()  # others count on it
        self._pending, self.missing = None, set(self._alone)
        self._buffers: list[Tensor] = []

    def _allocate(self) -> None:
        """Make the buffers; they are gone again before the next forward pass."""
        self._buffers = [self._empty.new_empty(each.size) for each in self._layouts]
        self._places = {
            number: place
            for numbers, layout, buffer in zip(
                self._numbers, self._layouts, self._buffers, strict=True
            )
            for number, place in zip(numbers, buffer.split(layout.sizes), strict=True)
        }

    def put(self, number: int, value: Tensor | None, factor: float) -> None:
        """Put a value in its place, times a factor."""
        if not self._buffers:
            self._allocate()
        place, (entry,) = self._places[number], self._alone[number].entries
        if value is None:
            place.zero_()
        elif value.dtype == place.dtype and not entry.symmetric:
            torch.mul(value, factor, out=place.view(entry.shape))
        else:  # the product would be rounded to the type of the value
            self._alone[number].pack([value], place).mul_(factor)
        self.missing.discard(number)

    def launch(self) -> None:
        """Begin the sum."""
        buffers, self._buffers, self._places = self._buffers, [], {}
        if not self._owned:
            self._pending = sum_over_ranks(buffers[0], self._ranks)
            return
        halves = None
        if self._half is not None:
            halves = [layout.half(self._half) for layout in self._layouts]
        self._pending = reduce_to_owners(buffers, self._ranks, halves)

    @property
    def under_way(self) -> bool:
        """Whether the sum was begun, and not asked for."""
        return self._pending is not None

    def sums(self) -> dict[int, Tensor]:
        """What this rank gets, once it is there."""
        assert self._pending is not None
        pending, self._pending = self._pending, None
        mine = self._ranks.rank if self._owned else 0
        tensors = self._layouts[mine].unpack(pending.wait())
        return dict(zip(self._numbers[mine], tensors, strict=True))


@final
class OwnerBuckets:
    """Buckets that are summed in the same order on all ranks.

    Args:
        items: In the order in which they get ready; the same on all ranks.
        ranks: The processes.
        device: Where the values are.
        halves: Type in which kinds are sent, where it is not their own.
        limit: Size of a bucket in bytes.
        first: The same for the first bucket of a kind.
    """

    def __init__(
        self,
        items: Sequence[Item],
        ranks: Ranks,
        device: torch.device,
        halves: Mapping[str, torch.dtype] | None = None,
        limit: int = BUCKET_BYTES,
        first: int = FIRST_BYTES,
    ) -> None:
        self.items, self._halves = list(items), halves or {}
        self._buckets = [
            self._bucket(members, ranks, device)
            for members in grouped(items, limit, first)
        ]
        self._bucket_of = {n: each for each in self._buckets for n in each.missing}
        self.begin()

    def _bucket(
        self, members: Sequence[int], ranks: Ranks, device: torch.device
    ) -> Bucket:
        items = {number: self.items[number] for number in members}
        kind = self.items[members[0]].kind
        return Bucket(items, ranks, device, self._halves.get(kind))

    def begin(self, kinds: Collection[str] | None = None) -> None:
        """Forget the values of some kinds, or of all."""
        self._queue = [
            each for each in self._buckets if kinds is None or each.kind in kinds
        ]
        for bucket in self._queue:
            bucket.begin()

    @property
    def under_way(self) -> bool:
        """Whether sums were begun whose results nobody has asked for."""
        return any(bucket.under_way for bucket in self._buckets)

    def is_filled(self, number: int) -> bool:
        """Whether an item's value is in place."""
        return number not in self._bucket_of[number].missing

    def put(self, number: int, value: Tensor | None, factor: float = 1.0) -> None:
        """Put a value in its place, and begin the sums that are complete.

        Args:
            number: Of the item.
            value: In its shape; None for zeros.
            factor: What to multiply it by.
        """
        assert not self.is_filled(number)
        self._bucket_of[number].put(number, value, factor)
        while self._queue and not self._queue[0].missing:
            self._queue.pop(0).launch()

    def sums(self) -> dict[int, Tensor]:
        """Sums that this rank gets, by number, once they are there.

        Raises:
            RuntimeError: If a rank is gone.
        """
        return {n: sum_ for each in self._buckets for n, sum_ in each.sums().items()}
