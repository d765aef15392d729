"""Division of labour between ranks: who inverts and preconditions which block.

Every block has an owner, who inverts its statistics. The owner's column of the grid
(`distributed.assignment.Grid`) gets the inverses and preconditions; each of these ranks
gives the natural gradients to its row. Blocks that share a parameter have one owner.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from ..curvature.kronecker.blocks import DIAGONAL, INPUTS, UNIT, Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.inverses import DenseInverse, DiagonalInverse, Inverse
from ..curvature.kronecker.moments import Form, Moment
from ..curvature.kronecker.operators import UnitInverse
from ..distributed import (
    Entry,
    Grid,
    Layout,
    Ranks,
    assign_owners,
    gather_from_owners,
    groups_of,
    inverse_cost,
    reduce_to_owners,
    sum_over_ranks,
)


def owners_of(blocks: Mapping[str, Block], num_ranks: int) -> dict[str, int]:
    """Owner of each block: the longest work first, blocks with a common parameter as one.

    Args:
        blocks: The blocks by name, in an order that is the same on all ranks.
        num_ranks: Number of ranks.

    Returns:
        Rank by block.
    """
    teams: list[list[str]] = []
    team_of: dict[str, list[str]] = {}  # by parameter
    for name, block in blocks.items():
        parameters = [part.name for part in block.parts.values()]
        team = next((team_of[p] for p in parameters if p in team_of), None)
        if team is None:
            teams.append(team := [])
        team.append(name)
        team_of |= dict.fromkeys(parameters, team)
    costs = [sum(cost_of(blocks[name]) for name in team) for team in teams]
    owners = assign_owners(costs, num_ranks)
    pairs = zip(teams, owners, strict=True)
    return {name: owner for team, owner in pairs for name in team}


def cost_of(block: Block) -> float:
    """Cost of inverting a block's statistics: cubes of their sizes."""
    return sum(
        inverse_cost([1 if is_diagonal(block, side) else size], count)
        for side, (count, size) in block.sizes.items()
    )


def is_diagonal(block: Block, side: str) -> bool:
    """Whether a statistic is a diagonal: squares, or what an embedding looks up."""
    table = side == INPUTS and block.kind == "kronecker (embedding)"
    return table or side == DIAGONAL


def entry_of(block: Block, side: str) -> Entry:
    """Shape of a statistic, and of its inverse."""
    count, size = block.sizes[side]
    if side == UNIT:
        return Entry((size * (size + 1) // 2, count))
    if side == DIAGONAL:
        return Entry((1, count))
    if is_diagonal(block, side):
        return Entry((count, size))
    return Entry((count, size, size), symmetric=True)


@final
class Division:
    """What this rank does, and what it tells the others.

    All ranks call its methods at the same points.

    Args:
        blocks: The blocks by name.
        ranks: The processes.
        fraction: Share of the ranks that precondition a block; 1 / ranks.size to 1.
        half: Type in which statistics are sent; None for their own.
        like: Gives device and type of what is sent.
    """

    def __init__(
        self,
        blocks: Mapping[str, Block],
        ranks: Ranks,
        fraction: float,
        half: torch.dtype | None,
        like: Tensor,
    ) -> None:
        self.blocks, self.ranks, self.half = blocks, ranks, half
        self.grid = Grid(ranks.size, fraction)
        self.owners = owners_of(blocks, ranks.size)
        self._groups = groups_of(self.grid, ranks)
        self._device = like.device
        self._dtype = torch.promote_types(like.dtype, torch.float32)

    def owns(self, name: str) -> bool:
        """Whether this rank inverts a block's statistics."""
        return self.owners[name] == self.ranks.rank

    def works_on(self, name: str) -> bool:
        """Whether this rank preconditions a block's gradient."""
        column = self.grid.column_of(self.owners[name])
        return column == self.grid.column_of(self.ranks.rank)

    def totals(self, numbers: Sequence[int]) -> list[int]:
        """Sums of whole numbers over the ranks; the host waits."""
        mine = torch.tensor(list(numbers), device=self._device, dtype=torch.int64)
        result: list[int] = sum_over_ranks(mine, self.ranks).wait().tolist()
        return result

    def sum_for_all(
        self, keys: Sequence[Key], own: Mapping[Key, Moment]
    ) -> dict[Key, Moment]:
        """Sum statistics over the ranks, for every rank.

        Args:
            keys: Which, the same on all ranks.
            own: What this rank adds; missing ones are zero.

        Returns:
            The sums, as means.
        """
        if self.half is not None:
            return self._gathered(keys, self.sum_for_owners(keys, own))
        layout = self._layout(keys)
        flat = self._packed(layout, keys, own)
        whole = sum_over_ranks(flat, self.ranks).wait()
        return self._moments(keys, layout.unpack(whole))

    def sum_for_owners(
        self, keys: Sequence[Key], own: Mapping[Key, Moment]
    ) -> dict[Key, Moment]:
        """As `sum_for_all`, but each rank gets those of the blocks it owns alone."""
        by_owner = self._by_owner(keys)
        layouts = [self._layout(each) for each in by_owner]
        buffers = [
            self._packed(layout, each, own)
            for layout, each in zip(layouts, by_owner, strict=True)
        ]
        halves = None
        if self.half is not None:
            halves = [layout.half(self.half) for layout in layouts]
        mine = reduce_to_owners(buffers, self.ranks, halves).wait()
        rank = self.ranks.rank
        return self._moments(by_owner[rank], layouts[rank].unpack(mine))

    def _by_owner(self, keys: Iterable[Key]) -> list[list[Key]]:
        result: list[list[Key]] = [[] for _ in range(self.ranks.size)]
        for key in keys:
            result[self.owners[key[0]]].append(key)
        return result

    def _gathered(
        self, keys: Sequence[Key], owned: Mapping[Key, Moment]
    ) -> dict[Key, Moment]:
        """Give all ranks the statistics of every owner."""
        by_owner = self._by_owner(keys)
        layouts = [self._layout(each) for each in by_owner]
        rank = self.ranks.rank
        mine = self._packed(layouts[rank], by_owner[rank], owned)
        sizes = [layout.size for layout in layouts]
        parts = gather_from_owners(mine, sizes, self.ranks).wait()
        result: dict[Key, Moment] = {}
        for each, layout, part in zip(by_owner, layouts, parts, strict=True):
            result |= self._moments(each, layout.unpack(part))
        return {key: result[key] for key in keys}

    def _layout(self, keys: Iterable[Key]) -> Layout:
        return Layout(entry_of(self.blocks[name], side) for name, side in keys)

    def _packed(
        self, layout: Layout, keys: Sequence[Key], own: Mapping[Key, Moment]
    ) -> Tensor:
        flat = torch.zeros(layout.size, device=self._device, dtype=self._dtype)
        values = [
            own[key].value
            if key in own and own[key].form != "rows"
            else own[key].matrix()
            if key in own
            else flat.new_zeros(entry.shape)
            for key, entry in zip(keys, layout.entries, strict=True)
        ]
        return layout.pack(values, flat)

    def _moments(
        self, keys: Sequence[Key], tensors: Iterable[Tensor]
    ) -> dict[Key, Moment]:
        forms: dict[bool, Form] = {True: "matrix", False: "diagonal"}
        return {
            key: Moment(forms[entry_of(self.blocks[key[0]], key[1]).symmetric], value, 1)
            for key, value in zip(keys, tensors, strict=True)
        }

    def share_inverses(
        self, keys: Sequence[Key], own: Mapping[Key, Inverse | None]
    ) -> dict[Key, Inverse | None]:
        """Give inverses to the ranks that work with them.

        Args:
            keys: What was inverted, on any rank.
            own: What this rank inverted; None where that failed.

        Returns:
            Inverses of the blocks that this rank works on; of others `Elsewhere`. None
            where inversion failed.
        """
        success = self.totals([own.get(key) is not None for key in keys])
        good = [key for key, count in zip(keys, success, strict=True) if count]
        by_owner = self._by_owner(good)
        workers = self._groups.workers
        column = self.grid.workers_of(self.ranks.rank)
        layouts = [self._layout(by_owner[owner]) for owner in column]
        mine = by_owner[self.ranks.rank]
        layout = self._layout(mine)
        flat = torch.empty(layout.size, device=self._device, dtype=self._dtype)
        layout.pack([_tensor_of(own[key]) for key in mine], flat)
        parts = gather_from_owners(flat, [each.size for each in layouts], workers).wait()
        result: dict[Key, Inverse | None] = dict.fromkeys(keys)
        result |= dict.fromkeys(good, ELSEWHERE)
        for owner, each, part in zip(column, layouts, parts, strict=True):
            for key, value in zip(by_owner[owner], each.unpack(part), strict=True):
                result[key] = _inverse_of(key[1], value)
        return result

    def share_products(
        self, names: Sequence[str], own: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]
    ) -> dict[str, Tensor]:
        """Give natural gradients to the ranks that did not compute them.

        Args:
            names: Blocks, the same on all ranks.
            own: Matrices of the blocks that this rank works on.
            shapes: Of all matrices.

        Returns:
            The matrices of all blocks.
        """
        columns: list[list[str]] = [[] for _ in range(self.grid.num_columns)]
        for name in names:
            columns[self.grid.column_of(self.owners[name])].append(name)
        layouts = [
            Layout(Entry(tuple(shapes[name])) for name in column) for column in columns
        ]
        place = self.grid.column_of(self.ranks.rank)
        flat = torch.empty(layouts[place].size, device=self._device, dtype=self._dtype)
        layouts[place].pack([own[name] for name in columns[place]], flat)
        sizes = [layout.size for layout in layouts]
        parts = gather_from_owners(flat, sizes, self._groups.receivers).wait()
        return {
            name: value
            for column, layout, part in zip(columns, layouts, parts, strict=True)
            for name, value in zip(column, layout.unpack(part), strict=True)
        }


@final
class Elsewhere:
    """Stands for an inverse that other ranks hold."""

    def apply(self, rows: Tensor) -> Tensor:
        """Not to be called: the product comes from another rank."""
        raise AssertionError("inverse is on another rank")


ELSEWHERE = Elsewhere()


def _tensor_of(inverse: Inverse | None) -> Tensor:
    if isinstance(inverse, DenseInverse):
        return inverse.matrix
    if isinstance(inverse, DiagonalInverse):
        return inverse.vector
    assert isinstance(inverse, UnitInverse)
    return inverse.entries


def _inverse_of(side: str, value: Tensor) -> Inverse:
    if side == UNIT:
        return UnitInverse(value)
    return DenseInverse(value) if value.ndim == 3 else DiagonalInverse(value)
