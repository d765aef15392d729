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
    pass.

    Args:
        block: The block.
    """

    def __init__(self, block: ExampleBlock) -> None:
        self.block = block
        self._moment: Moment | None = None
        self._known: Moment | None = None  # with what is pending
        self._uses, self._returned, self._recomputed = 0, 0, False
        self._pending: dict[str, Tensor] = {}

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
            self._flush()
        self._uses += 1

    def add(self, names: Mapping[str, str], evidence: Evidence | RerunEvidence) -> None:
        """Take what the backward pass of a use says.

        Args:
            names: Local name -> name in the model, perhaps with rows.
            evidence: The call and the gradient of its output.
        """
        self._returned += 1
        if self._uses == 1 and not self._recomputed and self._can_square(names):
            squares = evidence.sums(list(names)).squares
            named = {name: squares[local] for local, name in names.items()}
            self._take(named, evidence.num_examples)
            return
        parts = list(evidence.chunks(list(names)))
        for local, name in names.items():
            self._put(name, torch.cat([promoted(part[local]) for part in parts]))

    def _can_square(self, names: Mapping[str, str]) -> bool:
        """Whether a lone use says all of a diagonal block, without its examples."""
        diagonal = isinstance(self.block, DiagonalBlock)
        return diagonal and set(names.values()) == set(self.block.parts)

    def _take(self, squares: Mapping[str, Tensor], num_examples: int) -> None:
        values = torch.cat([squares[name].flatten() for name in self.block.parts])
        self._add(Moment("diagonal", values.unsqueeze(0), num_examples))

    def _put(self, key: str, new: Tensor) -> None:
        name, rows = split_rows(key)
        before = self._pending.get(name)
        if rows is not None:
            shape = (len(new), *self.block.parts[name].shape)
            before = new.new_zeros(shape) if before is None else before
            before[:, slice(*rows)] += new
            new = before
        elif before is not None:
            new = before + new
        self._pending[name] = new
        self._known = None

    def _flush(self) -> None:
        """Square what is pending, once no more can come for its examples."""
        self._moment = self.so_far()
        self._uses, self._returned, self._recomputed = 0, 0, False
        self._pending = {}

    def so_far(self) -> Moment | None:
        """The sum if no more comes, the same object until more does, or None."""
        if self._known is None:
            self._known = self._moment
            if self._pending:
                new = self._pending_moment()
                self._known = new if self._moment is None else self._moment + new
        return self._known

    def _pending_moment(self) -> Moment:
        pending = self._pending
        num = len(next(iter(pending.values())))
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
        self._flush()
        return self._moment
