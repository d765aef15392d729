"""Division of labour between ranks: who inverts and preconditions which block.

Every block has an owner, who inverts its statistics. The owner's column of the grid
(`distributed.assignment.Grid`) gets the inverses and preconditions; each of these ranks
gives the natural gradients to its row. Blocks that share a parameter have one owner.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from ..curvature.kronecker.blocks import DIAGONAL, INPUTS, UNIT, Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import Gathered
from ..curvature.kronecker.eigen import Eigenbasis
from ..curvature.kronecker.inverses import DenseInverse, DiagonalInverse
from ..curvature.kronecker.moments import Form, Moment
from ..curvature.kronecker.operators import (
    Inversion,
    Operator,
    UnitInverse,
    has_two_sides,
)
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
from .cooperation import Cooperation, Means


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


class Division(Cooperation):
    """What this rank does, and what it tells the others.

    All ranks call its methods at the same points.

    Args:
        blocks: The blocks by name.
        ranks: The processes.
        fraction: Share of the ranks that precondition a block; 1 / ranks.size to 1.
        half: Type in which statistics are sent; None for their own.
        like: Gives device and type of what is sent.
        inversion: How factors are inverted.
    """

    def __init__(
        self,
        blocks: Mapping[str, Block],
        ranks: Ranks,
        fraction: float,
        half: torch.dtype | None,
        like: Tensor,
        inversion: Inversion = "cholesky",
    ) -> None:
        self.blocks, self.ranks, self.half = blocks, ranks, half
        self.inversion = inversion
        self.grid = Grid(ranks.size, fraction)
        self.owners = owners_of(blocks, ranks.size)
        self.averaged = False  # whether a DistributedDataParallel averages gradients
        self._groups = groups_of(self.grid, ranks)
        self._device = like.device
        self._dtype = torch.promote_types(like.dtype, torch.float32)

    def inverts(self, name: str) -> bool:
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

    def total(self, numbers: Tensor) -> Tensor:
        """Sum of a vector over the ranks, on the device."""
        return sum_over_ranks(numbers.contiguous(), self.ranks).wait()

    def num_dampings(self, key: Key) -> int:
        """How many numbers say what is added to a statistic's diagonal."""
        name, side = key
        block = self.blocks[name]
        return block.sizes[side][0] if has_two_sides(block) else 1

    def statistics(
        self, due: Sequence[Key], gathered: Gathered, means: Means
    ) -> tuple[list[Key], dict[Key, Moment]]:
        """As `Cooperation.statistics`."""
        own = gathered.moments
        present = [key in own for key in due]
        counted = [own[key].count if key in own else 0 for key in due]
        total, *sums = self.totals([gathered.num_examples, *present, *counted])
        keys = [k for k, known in zip(due, sums[: len(due)], strict=True) if known]
        counts = dict(zip(due, sums[len(due) :], strict=True))
        weight = gathered.num_examples / max(1, total)
        if self.averaged:
            weight = 1 / self.ranks.size
        return keys, self.summed(keys, means(total, weight, counts))

    def summed(
        self, keys: Sequence[Key], own: Mapping[Key, Moment]
    ) -> dict[Key, Moment]:
        """Sum statistics over the ranks, for every rank.

        Args:
            keys: Which, the same on all ranks.
            own: What this rank adds; missing ones are zero.

        Returns:
            The sums.
        """
        if self.half is not None:
            return self.given_to_all(keys, self.summed_for_owners(keys, own))
        layout = self._layout(keys)
        flat = self._packed(layout, keys, own)
        whole = sum_over_ranks(flat, self.ranks).wait()
        return self._moments(keys, layout.unpack(whole))

    def summed_for_owners(
        self, keys: Sequence[Key], own: Mapping[Key, Moment]
    ) -> dict[Key, Moment]:
        """As `summed`, but each rank gets those of the blocks it owns alone."""
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

    def given_to_all(
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
            key: Moment(
                forms[entry_of(self.blocks[key[0]], key[1]).symmetric], value, 1
            )
            for key, value in zip(keys, tensors, strict=True)
        }

    def share_inverses(
        self, keys: Sequence[Key], own: Mapping[Key, Operator | None]
    ) -> dict[Key, Operator | None]:
        """As `Cooperation.share_inverses`; `ELSEWHERE` for those of other columns."""
        success = self.totals([own.get(key) is not None for key in keys])
        good = [key for key, count in zip(keys, success, strict=True) if count]
        by_owner = self._by_owner(good)
        owners = self.grid.workers_of(self.ranks.rank)
        layouts = [self._inverse_layout(by_owner[owner]) for owner in owners]
        mine = [own[key] for key in by_owner[self.ranks.rank]]
        layout = layouts[owners.index(self.ranks.rank)]
        flat = torch.empty(layout.size, device=self._device, dtype=self._dtype)
        layout.pack([tensor for each in mine for tensor in tensors_of(each)], flat)
        sizes = [each.size for each in layouts]
        parts = gather_from_owners(flat, sizes, self._groups.workers).wait()
        result: dict[Key, Operator | None] = dict.fromkeys(keys)
        result |= dict.fromkeys(good, ELSEWHERE)
        for owner, each, part in zip(owners, layouts, parts, strict=True):
            tensors = iter(each.unpack(part))
            for key in by_owner[owner]:
                result[key] = self._operator(key, tensors)
        return result

    def _inverse_layout(self, keys: Iterable[Key]) -> Layout:
        return Layout(entry for key in keys for entry in self._inverse_entries(key))

    def _inverse_entries(self, key: Key) -> list[Entry]:
        block = self.blocks[key[0]]
        entry = entry_of(block, key[1])
        if self.inversion == "cholesky" or not has_two_sides(block):
            return [entry]
        values = Entry((*entry.shape[:1], entry.shape[-1]))
        return [values, Entry(entry.shape)] if entry.symmetric else [values]

    def _operator(self, key: Key, tensors: Iterator[Tensor]) -> Operator:
        number = len(self._inverse_entries(key))
        first, *rest = [next(tensors) for _ in range(number)]
        block = self.blocks[key[0]]
        if self.inversion == "cholesky" or not has_two_sides(block):
            return _inverse_of(key[1], first)
        return Eigenbasis(first, rest[0] if rest else None)

    def summed_scales(
        self, own: Mapping[str, Tensor], names: Sequence[str]
    ) -> dict[str, Tensor]:
        """As `Cooperation.summed_scales`."""
        shapes = [self.blocks[name].matrix_shape for name in names]
        layout = Layout(Entry(tuple(shape)) for shape in shapes)
        flat = torch.zeros(layout.size, device=self._device, dtype=self._dtype)
        pairs = zip(names, shapes, strict=True)
        values = [own[n] if n in own else flat.new_zeros(s) for n, s in pairs]
        whole = self.total(layout.pack(values, flat))
        return dict(zip(names, layout.unpack(whole), strict=True))

    def share_products(
        self,
        names: Sequence[str],
        own: Mapping[str, Tensor],
        shapes: Mapping[str, torch.Size],
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


def tensors_of(operator: Operator | None) -> list[Tensor]:
    """What has to be sent of an inverse."""
    if isinstance(operator, Eigenbasis):
        values, vectors = operator.values, operator.vectors
        return [values] if vectors is None else [values, vectors]
    if isinstance(operator, DenseInverse):
        return [operator.matrix]
    if isinstance(operator, DiagonalInverse):
        return [operator.vector]
    assert isinstance(operator, UnitInverse)
    return [operator.entries]


def _inverse_of(side: str, value: Tensor) -> Operator:
    if side == UNIT:
        return UnitInverse(value)
    return DenseInverse(value) if value.ndim == 3 else DiagonalInverse(value)
