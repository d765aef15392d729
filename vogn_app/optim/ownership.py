"""Ranks that own layers: they get sums, and update the weights for all."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import final

import torch
from torch import Tensor, nn

from ..curvature.kronecker.blocks import Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import FactorCapture, Gathered
from ..distributed import Entry, Layout, Ranks, Weighing, gather_from_owners
from .cooperation import Exchanged
from .curvature import Verdict
from .division import Division
from .early import StepSums
from .owners import parameter_owners


@final
class Ownership(Division):
    """Each block's statistics and weights are with one rank.

    Args:
        parameters: All parameters by name.
        blocks: The blocks by name.
        ranks: The processes.
        half: Type in which statistics are sent; None for their own.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        blocks: Mapping[str, Block],
        ranks: Ranks,
        half: torch.dtype | None,
    ) -> None:
        super().__init__(parameters, blocks, ranks, 1 / ranks.size, half)
        self._owned: list[list[str]] = [[] for _ in range(ranks.size)]
        for name, owner in self._parameter_owners.items():
            self._owned[owner].append(name)
        self._mine = set(self._owned[ranks.rank])
        self._layouts = [
            Layout(Entry(tuple(parameters[name].shape)) for name in names)
            for names in self._owned
        ]

    def updates(self, name: str) -> bool:
        """Whether this rank updates a parameter."""
        return name in self._mine

    def _sums_of(self, parameters: Mapping[str, nn.Parameter]) -> StepSums:
        self._parameter_owners = parameter_owners(
            parameters, self.blocks, self.owners, self.ranks.size
        )
        return StepSums(
            parameters,
            self.blocks,
            self.ranks,
            self.owners,
            self._parameter_owners,
            self.half,
        )

    def sending(
        self, due: Sequence[Key], capture: FactorCapture, weighing: Weighing
    ) -> AbstractContextManager[None]:
        """As `Cooperation.sending`.

        A step that refreshes nothing sends late: ranks that send early compare what
        they sent, for which the host waits, and an accelerator then runs out of work.
        """
        early = bool(due) or self._device.type == "cpu"
        return self._sums.sending(due, capture, weighing, early=early)

    def exchange(
        self, due: Sequence[Key], gathered: Gathered, *, gradients: bool
    ) -> Exchanged:
        """As `Cooperation.exchange`, for owners alone."""
        return self._sums.exchange(due, gathered, gradients=gradients)

    def agreed(
        self, keys: Sequence[Key], own: Mapping[Key, Verdict]
    ) -> dict[Key, Verdict]:
        """What owners say of their statistics.

        Args:
            keys: What was refreshed, on any rank.
            own: Verdicts of this rank.

        Returns:
            The same verdicts on every rank.
        """
        codes = [
            sum(flag << bit for bit, flag in enumerate(own[key])) if key in own else 0
            for key in keys
        ]
        return {
            key: Verdict(*(bool(code >> bit & 1) for bit in range(3)))
            for key, code in zip(keys, self.totals(codes), strict=True)
        }

    def share_products(
        self,
        names: Sequence[str],  # noqa: ARG002
        own: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """This rank's own: who updates needs no others."""
        return dict(own)

    def give(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give every rank what owners have.

        Args:
            values: In the shapes of parameters, of those that this rank owns at least.

        Returns:
            Those of all parameters, by name.
        """
        layout = self._layouts[self.ranks.rank]
        flat = torch.empty(layout.size, device=self._device, dtype=self._dtype)
        layout.pack([values[name] for name in self._owned[self.ranks.rank]], flat)
        sizes = [each.size for each in self._layouts]
        parts = gather_from_owners(flat, sizes, self.ranks).wait()
        return {
            name: value
            for names, each, part in zip(self._owned, self._layouts, parts, strict=True)
            for name, value in zip(names, each.unpack(part), strict=True)
        }
