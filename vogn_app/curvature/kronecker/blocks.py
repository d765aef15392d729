"""Blocks of parameters that are preconditioned together, and what measures them.

A block has one or two statistics, each a `Moment` (a sum of outer products):

    block        statistics           what it stands for
    kronecker    inputs, outputs      A of the layer's inputs, G of its output gradients
    unit         unit                 2x2 blocks of scale and shift of each channel
    diagonal     diagonal             squares of per-example gradients
    layer        gradients            outer products of per-example gradients

Which block a parameter belongs to follows from the type of its layer: linear maps
(also those within attention and LSTM), convolutions and embeddings are Kronecker
blocks, norm layers unit-wise ones, any other module without children is diagonal.
Parameters that no such module owns have no block: their gradient stays as it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn

from .moments import Moment
from .rules import KroneckerRule, Sharing
from .unit import unit_moment

Sides = Mapping[str, Moment]
Shape = Literal["kronecker", "layer", "full", "diagonal"]
INPUTS, OUTPUTS, UNIT, DIAGONAL, GRADIENTS = (
    "inputs", "outputs", "unit", "diagonal", "gradients"
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A parameter of a block, or consecutive rows of it.

    Args:
        name: Name of the parameter in the model.
        shape: Its shape, or that of the rows.
        rows: First row and the one behind the last; None for all.
    """

    name: str
    shape: torch.Size
    rows: tuple[int, int] | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """The part of a tensor in the parameter's shape, as a view."""
        return tensor if self.rows is None else tensor[slice(*self.rows)]


@dataclass(frozen=True)
class Block(ABC):
    """Parameters that are preconditioned together.

    Args:
        name: Name of the layer, and of the map within it.
        parts: Its parameters, by their local name.
    """

    name: str
    parts: Mapping[str, Part]

    @property
    @abstractmethod
    def kind(self) -> str:
        """What kind of block it is, for people."""

    @property
    @abstractmethod
    def sides(self) -> tuple[str, ...]:
        """Names of its statistics."""

    @property
    @abstractmethod
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Of each statistic that is inverted: how many matrices, and their size."""

    @property
    def matrix_shape(self) -> torch.Size:
        """Shape of the block's matrix [B, out, in]."""
        numbers = sum(part.shape.numel() for part in self.parts.values())
        return torch.Size((1, 1, numbers))

    @property
    def wanted(self) -> frozenset[str]:
        """Local names of its parameters."""
        return frozenset(self.parts)

    def to_matrix(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """Gradients by local name as the block's matrix; by default one row."""
        each = [gradients[local].flatten() for local in self.parts]
        return torch.cat(each).view(1, 1, -1)

    def from_matrix(self, matrix: Tensor) -> dict[str, Tensor]:
        """The inverse of `to_matrix`."""
        sizes = [part.shape.numel() for part in self.parts.values()]
        pieces = torch.split(matrix.flatten(), sizes)
        named = zip(self.parts.items(), pieces, strict=True)
        return {local: piece.view(part.shape) for (local, part), piece in named}


@final
@dataclass(frozen=True)
class KroneckerBlock(Block):
    """A linear map, with or without positions.

    Args:
        rule: How the layer gives the two sides.
        module: Gives sizes and strides; its weights are not looked at.
        sharing: What positions of an example count as.
    """

    rule: KroneckerRule
    module: nn.Module
    sharing: Sharing

    @property
    def kind(self) -> str:
        """What kind of block it is."""
        return f"kronecker ({self.rule.name})"

    @property
    def sides(self) -> tuple[str, ...]:
        """Names of its statistics."""
        return INPUTS, OUTPUTS

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """How many matrices of which size each side has."""
        blocks, outputs, inputs = self.rule.sizes(self.module, self.wanted)
        return {INPUTS: (blocks, inputs), OUTPUTS: (blocks, outputs)}

    @property
    def matrix_shape(self) -> torch.Size:
        """Shape of the block's matrix [B, out, in]."""
        return torch.Size(self.rule.sizes(self.module, self.wanted))

    def inputs(self, x: Tensor) -> Moment:
        """Sum of a a^T over rows, of a call's input."""
        return self.rule.inputs(self.module, x, self.wanted, self.sharing)

    def outputs(self, x: Tensor, c: Tensor) -> Moment:
        """Sum of c c^T over rows, of a call's input and its output's gradient."""
        c = c if self.rule.seen is None else self.rule.seen(self.module, x, c)
        return self.rule.outputs(self.module, c, self.sharing)

    def to_matrix(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """Gradients as [B, out, in]."""
        return self.rule.to_matrix(self.module, gradients)

    def from_matrix(self, matrix: Tensor) -> dict[str, Tensor]:
        """The inverse of `to_matrix`."""
        return self.rule.from_matrix(self.module, matrix, self.wanted)


@dataclass(frozen=True)
class ExampleBlock(Block):
    """A block whose statistic comes from per-example gradients."""

    @abstractmethod
    def moment(self, contributions: Mapping[str, Tensor]) -> Moment:
        """The statistic of contributions [n, *shape] by local name."""


@final
@dataclass(frozen=True)
class UnitBlock(ExampleBlock):
    """Scale and shift of a norm layer: a 2x2 block for each channel or feature."""

    @property
    def kind(self) -> str:
        """What kind of block it is."""
        return UNIT

    @property
    def sides(self) -> tuple[str, ...]:
        """Name of its statistic."""
        return (UNIT,)

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Channels, and how many parameters each has."""
        channels = next(iter(self.parts.values())).shape.numel()
        return {UNIT: (channels, len(self.parts))}

    def moment(self, contributions: Mapping[str, Tensor]) -> Moment:
        """Sums of the products of the two contributions of each channel."""
        each = [contributions[name].flatten(1) for name in self.parts]
        # The scale comes first; a layer may have one of the two alone.
        named = dict(zip(("weight", "bias"), each, strict=False))
        return Moment("diagonal", unit_moment(named), len(each[0]))


@final
@dataclass(frozen=True)
class DiagonalBlock(ExampleBlock):
    """Squares of per-example gradients."""

    @property
    def kind(self) -> str:
        """What kind of block it is."""
        return DIAGONAL

    @property
    def sides(self) -> tuple[str, ...]:
        """Name of its statistic."""
        return (DIAGONAL,)

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Numbers, which are inverted one by one."""
        return {DIAGONAL: (sum(p.shape.numel() for p in self.parts.values()), 1)}

    def moment(self, contributions: Mapping[str, Tensor]) -> Moment:
        """Sums of squares."""
        each = [contributions[local].flatten(1).square().sum(0) for local in self.parts]
        num = len(next(iter(contributions.values())))
        return Moment("diagonal", torch.cat(each).unsqueeze(0), num)


@final
@dataclass(frozen=True)
class LayerBlock(ExampleBlock):
    """Outer products of per-example gradients; for small models and tests."""

    @property
    def kind(self) -> str:
        """What kind of block it is."""
        return "layer"

    @property
    def sides(self) -> tuple[str, ...]:
        """Name of its statistic."""
        return (GRADIENTS,)

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """One matrix over all its parameters."""
        return {GRADIENTS: (1, sum(p.shape.numel() for p in self.parts.values()))}

    def moment(self, contributions: Mapping[str, Tensor]) -> Moment:
        """Outer products of the examples' gradients."""
        rows = [contributions[local].flatten(1) for local in self.parts]
        return Moment.of_rows(torch.cat(rows, 1))
