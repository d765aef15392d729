"""Per-example gradients of a block, added over the uses of its parameters."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from ..evidence import Evidence, RerunEvidence, promoted
from ..hooks import split_rows
from .blocks import DiagonalBlock, ExampleBlock
from .moments import Moment


@final
class ExampleGradients:
    """Gathers one block's statistic.

    What several layers or several calls of one contribute to the same examples is
    added before it is squared. Examples are new once a forward pass follows a backward
    pass; calls of different sizes are on different ones.

    Args:
        block: The block.
    """

    def __init__(self, block: ExampleBlock) -> None:
        self.block = block
        self._moment: Moment | None = None
        self._known: Moment | None = None  # with what is pending
        self._uses, self._returned, self._recomputed = 0, 0, False
        self._pending: dict[int, dict[str, Tensor]] = {}  # by number of examples

    def open(self, *, recomputed: bool) -> None:
        """Note a use in a forward pass.

        Args:
            recomputed: Whether it is a checkpoint that runs again within a backward
                pass: for the same examples, and how often is not known.
        """
        if recomputed:
            self._recomputed = True
            return
        if self._returned:
            self.flush()
        self._uses += 1

    def add(
        self,
        names: Mapping[str, str],
        evidence: Evidence | RerunEvidence,
        num_examples: int | None = None,
    ) -> None:
        """Take what the backward pass of a use says.

        Args:
            names: Local name -> name in the model, perhaps with rows.
            evidence: The call and the gradient of its output.
            num_examples: Examples; the call may have several windows of each, one after
                the other. None if it has the examples themselves.
        """
        self._returned += 1
        num = evidence.num_examples if num_examples is None else num_examples
        plain = num == evidence.num_examples and not self._recomputed
        if self._uses == 1 and plain and self._can_square(names):
            squares = evidence.sums(list(names)).squares
            named = {name: squares[local] for local, name in names.items()}
            self._take(named, evidence.num_examples)
            return
        parts = list(evidence.chunks(list(names)))
        for local, name in names.items():
            each = torch.cat([promoted(part[local]) for part in parts])
            self._put(name, each if len(each) == num else _per_example(each, num))

    def _can_square(self, names: Mapping[str, str]) -> bool:
        """Whether a lone use says all of a diagonal block, without its examples."""
        diagonal = isinstance(self.block, DiagonalBlock)
        return diagonal and set(names.values()) == set(self.block.parts)

    def _take(self, squares: Mapping[str, Tensor], num_examples: int) -> None:
        values = torch.cat([squares[name].flatten() for name in self.block.parts])
        self._add(Moment("diagonal", values.unsqueeze(0), num_examples))

    def _put(self, key: str, new: Tensor) -> None:
        name, rows = split_rows(key)
        pending = self._pending.setdefault(len(new), {})
        before = pending.get(name)
        if rows is not None:
            shape = (len(new), *self.block.parts[name].shape)
            before = new.new_zeros(shape) if before is None else before
            before[:, slice(*rows)] += new
            new = before
        elif before is not None:
            new = before + new
        pending[name] = new
        self._known = None

    def flush(self) -> None:
        """Square what is pending, as no more can come for its examples."""
        self._moment = self.so_far()
        self._uses, self._returned, self._recomputed = 0, 0, False
        self._pending = {}

    def so_far(self) -> Moment | None:
        """The sum if no more comes, the same object until more does, or None."""
        if self._known is None:
            self._known = self._moment
            for num, pending in self._pending.items():
                new = self._pending_moment(num, pending)
                self._known = new if self._known is None else self._known + new
        return self._known

    def _pending_moment(self, num: int, pending: Mapping[str, Tensor]) -> Moment:
        return self.block.moment({
            name: pending[name] if name in pending else self._zeros(name, num, pending)
            for name in self.block.parts
        })

    def _zeros(self, name: str, num: int, like: Mapping[str, Tensor]) -> Tensor:
        first = next(iter(like.values()))
        return first.new_zeros(num, *self.block.parts[name].shape)

    def _add(self, moment: Moment) -> None:
        self._moment = moment if self._moment is None else self._moment + moment
        self._known = None

    def finish(self) -> Moment | None:
        """The sum over all examples so far, None without any."""
        self.flush()
        return self._moment


def _per_example(contributions: Tensor, num_examples: int) -> Tensor:
    """Sums over the windows of each example."""
    windows: Tensor = contributions.unflatten(0, (num_examples, -1))
    return windows.sum(1)
