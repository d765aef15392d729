"""Division of labour between ranks: who inverts and preconditions which block.

Every block has an owner, who inverts its statistics. The owner's column of the grid
(`distributed.assignment.Grid`) gets the inverses and preconditions; each of these ranks
gives the natural gradients to its row. Blocks that share a parameter have one owner.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_number
from ..curvature.kronecker.blocks import Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import FactorCapture, Gathered
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.operators import Inversion, Operator, has_two_sides
from ..distributed import (
    Entry,
    Grid,
    Layout,
    Ranks,
    Weighing,
    gather_from_owners,
    groups_of,
    sum_over_ranks,
)
from ..distributed.assignment import NAMED_FRACTIONS
from ..distributed.packing import HALF_TYPES
from .cooperation import Cooperation, Exchanged
from .early import StepSums, wide
from .entries import entry_of, inverse_entries, inverse_from, moment_of, tensors_of
from .owners import owners_of


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
        self.blocks, self.ranks = blocks, ranks
        self.half, self.inversion = half, inversion
        self.grid = Grid(ranks.size, fraction)
        self.owners = owners_of(blocks, ranks.size)
        self._groups = groups_of(self.grid, ranks)
        like = next(iter(parameters.values()))
        self._device, self._dtype = like.device, wide(like)
        self._sums = self._sums_of(parameters)

    def _sums_of(self, parameters: Mapping[str, nn.Parameter]) -> StepSums:
        """What sums gradients and statistics; of halves owners make sums for all."""
        owners = None if self.half is None else self.owners
        return StepSums(parameters, self.blocks, self.ranks, owners, None, self.half)

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
        return self._sums.sending(due, capture, weighing)

    def launch(self, gathered: Gathered) -> None:
        """As `Cooperation.launch`."""
        self._sums.launch(gathered)

    def drop(self) -> None:
        """As `Cooperation.drop`."""
        self._sums.drop()

    def exchange(
        self, due: Sequence[Key], gathered: Gathered, *, gradients: bool
    ) -> Exchanged:
        """As `Cooperation.exchange`."""
        found = self._sums.exchange(due, gathered, gradients=gradients)
        if self.half is None or not found.keys:
            return found
        return replace(found, sums=self.given_to_all(found.keys, found.sums))

    def _by_owner(self, keys: Iterable[Key]) -> list[list[Key]]:
        result: list[list[Key]] = [[] for _ in range(self.ranks.size)]
        for key in keys:
            result[self.owners[key[0]]].append(key)
        return result

    def given_to_all(
        self, keys: Sequence[Key], owned: Mapping[Key, Moment]
    ) -> dict[Key, Moment]:
        """Give all ranks the statistics of every owner, each in memory of its own."""
        by_owner = self._by_owner(keys)
        layouts = [self._layout(each) for each in by_owner]
        rank = self.ranks.rank
        mine = self._packed(layouts[rank], by_owner[rank], owned)
        sizes = [layout.size for layout in layouts]
        parts = gather_from_owners(mine, sizes, self.ranks).wait()
        result: dict[Key, Moment] = {}
        for each, layout, part in zip(by_owner, layouts, parts, strict=True):
            values = [
                value if entry.symmetric else value.clone()  # of the whole buffer
                for entry, value in zip(
                    layout.entries, layout.unpack(part), strict=True
                )
            ]
            result |= self._moments(zip(each, values, strict=True))
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
        return {
            (name, side): moment_of(self.blocks[name], side, value)
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
            for name, side in by_owner[owner]:
                result[name, side] = inverse_from(
                    self.blocks[name], side, self.inversion, tensors
                )
        return result

    def _inverse_layout(self, keys: Iterable[Key]) -> Layout:
        return Layout(
            entry
            for name, side in keys
            for entry in inverse_entries(self.blocks[name], side, self.inversion)
        )

    def summed_scales(
        self, own: Mapping[str, Tensor], names: Sequence[str]
    ) -> dict[str, Tensor]:
        """As `Cooperation.summed_scales`."""
        layout = self._matrix_layout(names)
        flat = torch.zeros(layout.size, device=self._device, dtype=self._dtype)
        values = [
            own[name] if name in own else flat.new_zeros(entry.shape)
            for name, entry in zip(names, layout.entries, strict=True)
        ]
        whole = self.total(layout.pack(values, flat))
        return dict(zip(names, layout.unpack(whole), strict=True))

    def _matrix_layout(self, names: Iterable[str]) -> Layout:
        return Layout(Entry(tuple(self.blocks[name].matrix_shape)) for name in names)

    def share_products(
        self, names: Sequence[str], own: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Give natural gradients to the ranks that did not compute them.

        Args:
            names: Blocks, the same on all ranks.
            own: Matrices of the blocks that this rank works on.

        Returns:
            The matrices of all blocks.
        """
        columns: list[list[str]] = [[] for _ in range(self.grid.num_columns)]
        for name in names:
            columns[self.grid.column_of(self.owners[name])].append(name)
        layouts = [self._matrix_layout(column) for column in columns]
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

    def apply(self, rows: Tensor) -> Tensor:  # noqa: ARG002
        """Not to be called: the product comes from another rank."""
        raise AssertionError("inverse is on another rank")


ELSEWHERE = Elsewhere()


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
