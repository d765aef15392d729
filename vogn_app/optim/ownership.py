"""Ranks that own layers: they get sums, and update the weights for all."""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from ..curvature.kronecker.blocks import Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.moments import Moment
from ..distributed import Entry, Layout, Ranks, Sums, gather_from_owners
from .curvature import Verdict
from .division import Division, owners_of


def parameter_owners(
    parameters: Mapping[str, nn.Parameter],
    blocks: Mapping[str, Block],
    block_owners: Mapping[str, int],
    num_ranks: int,
) -> dict[str, int]:
    """Owner of each parameter: that of its block; others go to the ranks in turn.

    Args:
        parameters: By name.
        blocks: By name.
        block_owners: Owner of each block.
        num_ranks: Number of ranks.

    Returns:
        Rank by parameter.
    """
    owners = {
        part.name: block_owners[name]
        for name, block in blocks.items()
        for part in block.parts.values()
    }
    left = [name for name in parameters if name not in owners]
    turns = {name: number % num_ranks for number, name in enumerate(left)}
    return {
        name: owners[name] if name in owners else turns[name] for name in parameters
    }


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
        block_owners = owners_of(blocks, ranks.size)
        owners = parameter_owners(parameters, blocks, block_owners, ranks.size)
        self._parameter_owners = owners
        super().__init__(parameters, blocks, ranks, 1 / ranks.size, half)
        self._owned: list[list[str]] = [[] for _ in range(ranks.size)]
        for name, owner in owners.items():
            self._owned[owner].append(name)
        self._mine = set(self._owned[ranks.rank])
        self._layouts = [
            Layout(Entry(tuple(parameters[name].shape)) for name in names)
            for names in self._owned
        ]

    def updates(self, name: str) -> bool:
        """Whether this rank updates a parameter."""
        return name in self._mine

    def _statistic_owner(self, block: str) -> int:
        """Rank that gets a statistic."""
        return self.owners[block]

    def _gradient_owner(self, name: str) -> int:
        """Rank that gets a gradient."""
        return self._parameter_owners[name]

    def _begins_early(self, due: Sequence[Key]) -> bool:
        """Whether sums begin within the backward pass, and the host waits for them.

        A step that refreshes nothing lets the host run ahead of an accelerator.
        """
        return bool(due) or self._device.type == "cpu"

    def _complete_sums(self, keys: Sequence[Key], found: Sums) -> dict[Key, Moment]:
        """Sums of statistics of the blocks that this rank owns."""
        return self._moments((k, found.values[k]) for k in keys if k in found.values)

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
        shapes: Mapping[str, torch.Size],  # noqa: ARG002
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
