"""Division of labour between ranks: who inverts and preconditions which block.

Every block has an owner, who inverts its statistics. The owner's column of the grid
(`distributed.assignment.Grid`) gets the inverses and preconditions; each of these ranks
gives the natural gradients to its row. Blocks that share a parameter have one owner.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_number
from ..curvature.kronecker.blocks import DIAGONAL, INPUTS, UNIT, Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import FactorCapture, Gathered
from ..curvature.kronecker.eigen import Eigenbasis
from ..curvature.kronecker.inverses import DenseInverse, DiagonalInverse
from ..curvature.kronecker.moments import Form, Moment, symmetric_product
from ..curvature.kronecker.operators import (
    Inversion,
    Operator,
    UnitInverse,
    has_two_sides,
)
from ..distributed import (
    EarlySums,
    Entry,
    Grid,
    Item,
    Layout,
    Own,
    Ranks,
    Sums,
    Weighing,
    assign_owners,
    gather_from_owners,
    groups_of,
    inverse_cost,
    sum_over_ranks,
)
from ..distributed.assignment import NAMED_FRACTIONS
from ..distributed.early_sums import GRADIENTS, STATISTICS, Name
from ..distributed.packing import HALF_TYPES
from .cooperation import Cooperation, Exchanged
from .offering import offering


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


def in_shape(item: Item, value: Tensor) -> Tensor:
    """A moment's value as it is sent: of rows their sum of outer products."""
    if item.kind == STATISTICS and value.shape != item.entry.shape:
        return symmetric_product(value)
    return value


def factor_of(weighing: Weighing, name: Name, num_examples: int) -> float:
    """What makes a rank's gradient or statistic a sum over its examples."""
    of_gradients, of_contributions = weighing.factors(num_examples)
    if isinstance(name, str):
        return of_gradients
    return 1.0 if name[1] == INPUTS else of_contributions


class Division(Cooperation):
    """What this rank does, and what it tells the others.

    All ranks call its methods at the same points.

    Args:
        parameters: All parameters by name.
        blocks: The blocks by name.
        ranks: The processes.
        fraction: Share of the ranks that precondition a block; 1 / ranks.size to 1.
        half: Type in which statistics are sent; None for their own.
        inversion: How factors are inverted.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        blocks: Mapping[str, Block],
        ranks: Ranks,
        fraction: float,
        half: torch.dtype | None,
        inversion: Inversion = "cholesky",
    ) -> None:
        self.parameters, self.blocks = dict(parameters), blocks
        self.ranks, self.half, self.inversion = ranks, half, inversion
        self.grid = Grid(ranks.size, fraction)
        self.owners = owners_of(blocks, ranks.size)
        self._groups = groups_of(self.grid, ranks)
        like = next(iter(parameters.values()))
        self._device = like.device
        self._dtype = torch.promote_types(like.dtype, torch.float32)
        items = dict(self._items())
        self._early = EarlySums(items, ranks, self._device, half, in_shape)

    def _items(self) -> Iterator[tuple[Name, Item]]:
        """What is summed, in the order of a backward pass: of last blocks first."""
        for block in reversed(list(self.blocks.values())):
            for side in block.sides:
                entry, owner = entry_of(block, side), self._statistic_owner(block.name)
                yield (block.name, side), Item(STATISTICS, entry, self._dtype, owner)
            for part in block.parts.values():
                yield part.name, self._gradient_item(part.name)
        for name in self.parameters:
            yield name, self._gradient_item(name)

    def _gradient_item(self, name: str) -> Item:
        parameter = self.parameters[name]
        dtype = torch.promote_types(parameter.dtype, torch.float32)
        entry = Entry(tuple(parameter.shape))
        return Item(GRADIENTS, entry, dtype, self._gradient_owner(name))

    def _statistic_owner(self, block: str) -> int | None:
        """Rank that gets a statistic, None for all; in half precision it adds them."""
        return None if self.half is None else self.owners[block]

    def _gradient_owner(self, name: str) -> int | None:  # noqa: ARG002
        """Rank that gets a gradient, None for all."""
        return None

    def _begins_early(self, due: Sequence[Key]) -> bool:  # noqa: ARG002
        """Whether sums begin within the backward pass, and the host waits for them."""
        return True

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

    def sending(
        self, due: Sequence[Key], capture: FactorCapture, weighing: Weighing
    ) -> AbstractContextManager[None]:
        """As `Cooperation.sending`."""
        early = self._begins_early(due)
        names = [*self.parameters, *due]
        self._early.begin(names, partial(factor_of, weighing), early=early)
        return offering(self._early, self.parameters, capture)

    def launch(self, gathered: Gathered) -> None:
        """As `Cooperation.launch`."""
        self._early.launch(self._own((), gathered))

    def drop(self) -> None:
        """As `Cooperation.drop`."""
        self._early.drop()

    def exchange(
        self, due: Sequence[Key], gathered: Gathered, *, gradients: bool
    ) -> Exchanged:
        """As `Cooperation.exchange`."""
        if not gradients:
            factor = partial(factor_of, Weighing(mean=False))
            self._early.begin(due, factor, early=False)
        found = self._early.exchange(self._own(due, gathered))
        means = self._mean_gradients(found) if gradients else None
        if not due:
            return Exchanged(means, (), {}, {}, 0, 0.0, 0.0)
        assert isinstance(found.num_examples, int)
        assert found.present is not None
        keys = [key for key in due if key in found.present]
        sums = self._complete_sums(keys, found)
        counts = dict(zip(due, found.counts, strict=True))
        total = max(1, found.num_examples)
        weight, own_weight = 1 / total, gathered.num_examples / total
        if not gradients:  # a DistributedDataParallel takes the mean over ranks
            weight = own_weight = 1 / self.ranks.size
        return Exchanged(
            means, keys, sums, counts, found.num_examples, weight, own_weight
        )

    def _own(self, due: Sequence[Key], gathered: Gathered) -> Own:
        """What this rank has; how many rows of what is due."""
        values: dict[Name, Tensor] = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        moments = gathered.moments
        values |= {key: moment.value for key, moment in moments.items()}
        counts = [moments[key].count if key in moments else 0 for key in due]
        return Own(values, gathered.num_examples, counts)

    def _mean_gradients(self, found: Sums) -> dict[str, Tensor]:
        """Gradients of the mean over all examples, where some rank has one."""
        total, result = found.num_examples, {}
        divisor = max(1, total) if isinstance(total, int) else total.clamp(min=1)
        for name, parameter in self.parameters.items():
            there = parameter.requires_grad  # if nobody knows better
            if found.present is not None:
                there = name in found.present
            if there and name in found.values:
                mean = found.values[name] / divisor
                result[name] = mean.to(parameter.device, parameter.dtype)
        return result

    def _complete_sums(self, keys: Sequence[Key], found: Sums) -> dict[Key, Moment]:
        """Sums of statistics, those that this rank is to have."""
        own = self._moments((k, found.values[k]) for k in keys if k in found.values)
        return own if self.half is None else self.given_to_all(keys, own)

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
            result |= self._moments(zip(each, layout.unpack(part), strict=True))
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

    def _moments(self, sums: Iterable[tuple[Key, Tensor]]) -> dict[Key, Moment]:
        forms: dict[bool, Form] = {True: "matrix", False: "diagonal"}
        return {
            (name, side): Moment(
                forms[entry_of(self.blocks[name], side).symmetric], value, 1
            )
            for (name, side), value in sums
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


def check_distribution(distribution: str | float) -> str | float:
    """Return a name or a share of the ranks; ValueError names the argument."""
    if isinstance(distribution, str):
        return check_choice("distribution", distribution, NAMED_FRACTIONS)
    return check_number(
        "distribution", distribution, minimum=0, maximum=1, open_minimum=True
    )


def check_half(dtype: torch.dtype | None) -> torch.dtype | None:
    """Return a half precision or None; ValueError names the argument."""
    if dtype is not None and dtype not in HALF_TYPES:
        names = ", ".join(map(str, HALF_TYPES))
        raise ValueError(
            f"communication_dtype must be one of {names} or None, got {dtype}."
        )
    return dtype
