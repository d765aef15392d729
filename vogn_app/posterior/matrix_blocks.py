"""Gaussians over blocks of parameters, with Kronecker-factored covariances.

Symbols:
    M        a block's parameters as a matrix [B, out, in]: B independent blocks (groups
             of a convolution, else 1), weight flattened, bias as the last column
    A, G     factors of its two sides [B, in, in] and [B, out, out]
    a, g     their dampings
    X, x     factor and damping of a block with one side, whose matrix is one row
    s        scale

    two sides   cov(M[b, i, j], M[b, k, l]) = s [(G + g I)^-1]_ik [(A + a I)^-1]_jl
    one side    cov(M[0, 0, j], M[0, 0, l]) = s [(X + x I)^-1]_jl

Blocks are independent of each other. A draw is M + sqrt(s) B_G^T E B_A with standard
normals E and the roots of `curvature.kronecker.roots`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import torch
from torch import Tensor

from ..curvature.kronecker.blocks import INPUTS, OUTPUTS, Part
from ..curvature.kronecker.inverses import Request
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.roots import Root, drawn, roots_of
from .fields import cast

Roots = Sequence[Root]
TWO_SIDES = (INPUTS, OUTPUTS)


@dataclass(frozen=True)
class Layout:
    """Where the numbers of a block's matrix are in the parameters.

    Args:
        name: Of the block.
        parts: Its parameters, or rows of them, by their role: "weight" and "bias" of
            a block with two sides; otherwise any, one after the other in the row.
        sides: Names of its factors: inputs and outputs, or one.
        shape: Of its matrix, (B, out, in).
        transposed: Whether the weight is the matrix transposed, as of embeddings.
    """

    name: str
    parts: Mapping[str, Part]
    sides: tuple[str, ...]
    shape: tuple[int, int, int]
    transposed: bool = False

    def scatter(self, matrices: Tensor) -> Iterator[tuple[Part, Tensor]]:
        """Matrices [S, B, out, in] as values [S, *shape] of each part."""
        leading = len(matrices)
        if self.sides != TWO_SIDES:
            sizes = [part.shape.numel() for part in self.parts.values()]
            pieces = matrices.flatten(1).split(sizes, dim=1)
            for part, piece in zip(self.parts.values(), pieces, strict=True):
                yield part, piece.reshape(leading, *part.shape)
            return
        if "weight" in self.parts:
            part = self.parts["weight"]
            own = matrices[..., :-1] if "bias" in self.parts else matrices
            own = own.mT if self.transposed else own
            yield part, own.reshape(leading, *part.shape)
        if "bias" in self.parts:
            part = self.parts["bias"]
            yield part, matrices[..., -1].reshape(leading, *part.shape)


def deviations(
    layouts: Collection[Layout],
    roots: Mapping[str, Roots],
    noise: Mapping[str, Tensor],
    scales: Mapping[str, float],
    shapes: Mapping[str, torch.Size],
) -> dict[str, Tensor]:
    """Draws minus their mean.

    Args:
        layouts: Of the blocks.
        roots: Of their factors, by block.
        noise: Standard normals [S, B, out, in] by block.
        scales: s by block.
        shapes: Of the parameters by name.

    Returns:
        Deviations [S, *shape] by parameter.
    """
    result: dict[str, Tensor] = {}
    for layout in layouts:
        name = layout.name
        matrices = drawn(roots[name], noise[name]) * scales[name] ** 0.5
        for part, values in layout.scatter(matrices):
            if part.rows is None:
                result[part.name] = values
                continue
            if part.name not in result:
                whole = (len(values), *shapes[part.name])
                result[part.name] = values.new_zeros(whole)
            result[part.name][:, slice(*part.rows)] = values
    return result


@dataclass(frozen=True)
class MatrixBlock:
    """A Gaussian over the parameters of one block, with mean 0.

    Args:
        layout: Of its matrix.
        factors: By side: a factor with its damping.
        scale: s > 0.
    """

    layout: Layout
    factors: Mapping[str, Request]
    scale: float

    def requests(self, dtype: torch.dtype) -> dict[tuple[str, str], Request]:
        """Its factors in a type, by block and side."""
        return {
            (self.layout.name, side): _moved(self.factors[side], None, dtype)
            for side in self.layout.sides
        }

    def variances(self, roots: Roots) -> Iterator[tuple[Part, Tensor]]:
        """Variance of every element, [1, *shape] of each part."""
        each = [root.variances() for root in roots]
        if len(each) == 1:
            matrix = each[0].view(self.layout.shape)
        else:
            matrix = each[1].unsqueeze(2) * each[0].unsqueeze(1)
        return self.layout.scatter(matrix.unsqueeze(0) * self.scale)

    def log_determinant(self, roots: Roots) -> float:
        """Logarithm of the determinant of the covariance."""
        blocks, outputs, inputs = self.layout.shape
        every = blocks * outputs * inputs * log(self.scale)
        weights = (outputs, inputs) if len(roots) == 2 else (1,)
        pairs = zip(weights, roots, strict=True)
        return every - sum(w * float(r.log_determinant().sum()) for w, r in pairs)

    def to(
        self, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> "MatrixBlock":
        """The block with its factors on a device and in a type."""
        moved = {
            side: _moved(each, device, dtype) for side, each in self.factors.items()
        }
        return MatrixBlock(self.layout, moved, self.scale)

    def described(self) -> dict[str, Any]:
        """All but its tensors, as plain data."""
        layout = self.layout
        return {
            "parts": {
                role: {
                    "name": part.name,
                    "shape": list(part.shape),
                    "rows": None if part.rows is None else list(part.rows),
                }
                for role, part in layout.parts.items()
            },
            "sides": list(layout.sides),
            "forms": [self.factors[side].moment_mean.form for side in layout.sides],
            "shape": list(layout.shape),
            "transposed": layout.transposed,
            "scale": self.scale,
        }

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors, by names that start with its own."""
        result = {}
        for side, factor in self.factors.items():
            values, dampings = _keys(self.layout.name, side)
            result[values] = factor.moment_mean.value
            result[dampings] = factor.damping
        return result

    @staticmethod
    def from_plain(
        name: str, described: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> "MatrixBlock":
        """A block from what `described` and `tensors` gave."""
        parts = {
            role: Part(
                part["name"],
                torch.Size(part["shape"]),
                None if part["rows"] is None else (part["rows"][0], part["rows"][1]),
            )
            for role, part in described["parts"].items()
        }
        blocks, outputs, inputs = described["shape"]
        sides = tuple(described["sides"])
        shape = (blocks, outputs, inputs)
        layout = Layout(name, parts, sides, shape, bool(described["transposed"]))
        factors = {}
        for side, form in zip(sides, described["forms"], strict=True):
            values, dampings = _keys(name, side)
            factors[side] = Request(Moment(form, tensors[values], 1), tensors[dampings])
        return MatrixBlock(layout, factors, float(described["scale"]))


def _keys(name: str, side: str) -> tuple[str, str]:
    return f"{name}/{side}", f"{name}/{side}/damping"


def _moved(
    factor: Request, device: torch.device | str | None, dtype: torch.dtype | None
) -> Request:
    moment = factor.moment_mean
    tensors = cast({"value": moment.value, "damping": factor.damping}, device, dtype)
    moment = Moment(moment.form, tensors["value"], moment.count)
    return Request(moment, tensors["damping"])


def roots_by_block(
    blocks: Collection[MatrixBlock], dtype: torch.dtype
) -> dict[str, list[Root]]:
    """Roots of all factors of each block.

    Args:
        blocks: The blocks.
        dtype: Type in which to find them.

    Returns:
        By block, in the order of its sides.

    Raises:
        ValueError: If a factor with its damping is not positive definite.
    """
    found = roots_of({
        k: r for block in blocks for k, r in block.requests(dtype).items()
    })
    result: dict[str, list[Root]] = {}
    for (name, side), root in found.items():
        if root is None:
            raise ValueError(
                "blocks must have factors that are positive definite with their "
                f"damping, got others for {side} of {name}."
            )
        result.setdefault(name, []).append(root)
    return result
