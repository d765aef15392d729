"""Sums that go to their owners, and results that owners give to all.

Everything begins in the background, so that it overlaps with what is computed until
`wait`. All ranks must begin the same in the same order; what they begin may be under
way together.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .packing import Half
from .ranks import Ranks, all_present

Result = TypeVar("Result")
Works = list["dist.Work | None"]  # unknown to a torch without torch.distributed


class Pending(Generic[Result]):
    """What will be there once the other ranks have done their part.

    Args:
        works: What is under way; None for what was over at once.
        result: Gives the result, once they are over.
    """

    def __init__(self, works: Works, result: Callable[[], Result]) -> None:
        self._works = [work for work in works if work is not None]
        self._result: Callable[[], Result] = result

    def wait(self) -> Result:
        """Wait, and give the result.

        Returns:
            The result; the same object if called again.

        Raises:
            RuntimeError: If a rank is gone.
        """
        with all_present():
            for work in self._works:
                work.wait()
        self._works = []
        result = self._result()
        self._result = lambda: result
        return result


@torch.no_grad()
def sum_over_ranks(flat: Tensor, ranks: Ranks) -> Pending[Tensor]:
    """Begin to sum a contiguous tensor over the ranks, in place.

    Args:
        flat: This rank's numbers, as many on every rank.
        ranks: The processes.

    Returns:
        The tensor; every rank has the same bits.

    Raises:
        RuntimeError: If a rank is gone.
    """
    works: Works = []
    if ranks.several and flat.numel():
        with all_present():
            works = [dist.all_reduce(flat, group=ranks.group, async_op=True)]
    return Pending(works, lambda: flat)


@torch.no_grad()
def reduce_to_owners(
    buffers: Sequence[Tensor], ranks: Ranks, halves: Sequence[Half] | None = None
) -> Pending[Tensor]:
    """Begin to sum each buffer over the ranks, for its owner alone.

    Args:
        buffers: What this rank adds to the sum of each owner, flat and contiguous;
            buffer i is for rank i, as large on every rank, and may be empty. They are
            given away: what they hold afterwards is undefined.
        ranks: The processes.
        halves: How to send each buffer in half precision. Then each rank's numbers
            are rounded once, and added in the buffers' own precision; the owner of n
            numbers needs memory for n x ranks.size halves meanwhile. None to send all
            as it is.

    Returns:
        The sum of this rank's own buffer.

    Raises:
        ValueError: If there is not one buffer for each rank.
        RuntimeError: If a rank is gone.
    """
    _check_one_each("buffers", buffers, ranks)
    if not ranks.several:
        return Pending([], lambda: buffers[0])
    if halves is not None:
        return _reduce_rounded(buffers, ranks, halves)
    own = buffers[ranks.rank]
    works: Works
    with all_present():
        if _has_uneven_lists(own, ranks):
            result, inputs = torch.empty_like(own), list(buffers)
            works = [
                dist.reduce_scatter(result, inputs, group=ranks.group, async_op=True)
            ]
        else:
            result = own
            works = [
                dist.reduce(each, group=ranks.group, group_dst=owner, async_op=True)
                for owner, each in enumerate(buffers)
                if each.numel()
            ]
    return Pending(works, lambda: result)


def _reduce_rounded(
    buffers: Sequence[Tensor], ranks: Ranks, halves: Sequence[Half]
) -> Pending[Tensor]:
    """Every rank's part goes to the owner as it is, who adds them in rank order."""
    _check_one_each("halves", halves, ranks)
    own, half = buffers[ranks.rank], halves[ranks.rank]
    sent = torch.cat([
        each.encode(flat) for each, flat in zip(halves, buffers, strict=True)
    ])
    received = sent.new_empty(ranks.size, half.size)
    with all_present():
        work = dist.all_to_all_single(
            received.view(-1),
            sent,
            [half.size] * ranks.size,
            [each.size for each in halves],
            group=ranks.group,
            async_op=True,
        )

    def total() -> Tensor:
        own.zero_()
        for part in received:
            own.add_(half.decode(part, own.dtype))
        return own

    return Pending([work], total)


@torch.no_grad()
def gather_from_owners(
    own: Tensor, sizes: Sequence[int], ranks: Ranks
) -> Pending[list[Tensor]]:
    """Begin to give every rank what each of them owns.

    Args:
        own: What this rank owns, flat and contiguous; of one type on all ranks. Not
            to be changed before the end.
        sizes: Numbers that each rank owns; may be 0.
        ranks: The processes.

    Returns:
        What each rank owns; every rank has the same bits.

    Raises:
        ValueError: If the sizes do not fit.
        RuntimeError: If a rank is gone.
    """
    _check_one_each("sizes", sizes, ranks)
    if own.numel() != sizes[ranks.rank]:
        raise ValueError(
            f"own must have the {sizes[ranks.rank]} numbers of rank {ranks.rank}, got "
            f"{own.numel()}."
        )
    if not ranks.several:
        return Pending([], lambda: [own])
    parts = list(own.new_empty(sum(sizes)).split(list(sizes)))
    works: Works
    with all_present():
        if _has_uneven_lists(own, ranks):
            works = [dist.all_gather(parts, own, group=ranks.group, async_op=True)]
        else:
            parts[ranks.rank].copy_(own)
            works = [
                dist.broadcast(part, group=ranks.group, group_src=owner, async_op=True)
                for owner, part in enumerate(parts)
                if part.numel()
            ]
    return Pending(works, lambda: parts)


def _has_uneven_lists(tensor: Tensor, ranks: Ranks) -> bool:
    """Whether the backend takes lists of uneven tensors, and as one operation.

    NCCL does. Gloo refuses uneven lists to gather, and sums everything for everybody
    to reduce and scatter: one operation for each owner is faster there.
    """
    return f"{tensor.device.type}:nccl" in dist.get_backend_config(ranks.group)


def _check_one_each(name: str, values: Sequence[object], ranks: Ranks) -> None:
    if len(values) != ranks.size:
        raise ValueError(
            f"{name} must be one for each of {ranks.size} ranks, got {len(values)}."
        )
