"""Gaussians over blocks of parameters, with Kronecker-factored covariances.

Symbols:
    M        a block's parameters as a matrix [B, out, in]: B independent blocks (groups
             of a convolution, else 1), weight flattened, bias as the last column; a
             block with one factor is one row
    C        covariance of M, from factors and dampings: `kronecker.covariances`
    s        scale; the Gaussian's covariance is s C

Blocks are independent of each other.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import log, prod
from typing import Any

import torch
from torch import Tensor

from ..curvature.evidence import full_precision
from ..curvature.kronecker.blocks import INPUTS, OUTPUTS, Part
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.covariances import Covariance, covariances_of
from ..curvature.kronecker.damped import Request
from ..curvature.kronecker.moments import Moment
from .fields import cast

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
    covariances: Mapping[str, Covariance],
    noise: Mapping[str, Tensor],
    scales: Mapping[str, float],
    shapes: Mapping[str, torch.Size],
) -> dict[str, Tensor]:
    """Draws minus their mean.

    Args:
        layouts: Of the blocks.
        covariances: C by block.
        noise: Standard normals [S, B, out, in] by block.
        scales: s by block.
        shapes: Of the parameters by name.

    Returns:
        Deviations [S, *shape] by parameter.
    """
    result: dict[str, Tensor] = {}
    for layout in layouts:
        name = layout.name
        matrices = covariances[name].draw(noise[name]) * scales[name] ** 0.5
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
        joint: Whether the two factors have one damping, of their product, which both
            carry, instead of one each.
    """

    layout: Layout
    factors: Mapping[str, Request]
    scale: float
    joint: bool = False

    def requests(self, dtype: torch.dtype) -> dict[Key, Request]:
        """Its factors in a type, by block and side."""
        return {
            (self.layout.name, side): _moved(self.factors[side], None, dtype)
            for side in self.layout.sides
        }

    def variances(self, covariance: Covariance) -> Iterator[tuple[Part, Tensor]]:
        """Variance of every element, [1, *shape] of each part."""
        return self.layout.scatter(covariance.variances().unsqueeze(0) * self.scale)

    def log_determinant(self, covariance: Covariance) -> float:
        """Logarithm of the determinant of s C."""
        own = float(covariance.log_determinant())
        return own + prod(self.layout.shape) * log(self.scale)

    def to(
        self, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> "MatrixBlock":
        """The block with its factors on a device and in a type."""
        moved = {
            side: _moved(each, device, dtype) for side, each in self.factors.items()
        }
        return replace(self, factors=moved)

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
            "joint": self.joint,
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
        scale, joint = float(described["scale"]), bool(described["joint"])
        return MatrixBlock(layout, factors, scale, joint)


def _keys(name: str, side: str) -> tuple[str, str]:
    return f"{name}/{side}", f"{name}/{side}/damping"


def _moved(
    factor: Request, device: torch.device | str | None, dtype: torch.dtype | None
) -> Request:
    moment = factor.moment_mean
    tensors = cast({"value": moment.value, "damping": factor.damping}, device, dtype)
    moment = Moment(moment.form, tensors["value"], moment.count)
    return Request(moment, tensors["damping"])


def covariances_by_block(
    blocks: Collection[MatrixBlock], dtype: torch.dtype
) -> dict[str, Covariance]:
    """C of each block.

    Args:
        blocks: The blocks.
        dtype: Type in which to find them.

    Returns:
        By block.

    Raises:
        ValueError: If a factor with its damping is not positive definite.
    """
    requests = [item for block in blocks for item in block.requests(dtype).items()]
    joint = {block.layout.name for block in blocks if block.joint}
    if not requests:
        return {}
    with full_precision(requests[0][1].damping):
        found = covariances_of(dict(requests), joint)
    result = {}
    for name, covariance in found.items():
        if covariance is None:
            raise ValueError(
                "blocks must have factors that are positive definite with their "
                f"damping, got others for block {name!r}."
            )
        result[name] = covariance
    return result
