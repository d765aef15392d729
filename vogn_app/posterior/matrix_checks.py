"""Checks of the blocks that a posterior is built from, which may come from a file."""

from collections.abc import Collection, Mapping
from math import isfinite, prod

from torch import Tensor

from ..curvature.kronecker.blocks import OUTPUTS, UNIT, Part
from ..curvature.kronecker.damped import Request
from .matrix_blocks import TWO_SIDES, Layout, MatrixBlock


def check_blocks(blocks: Collection[MatrixBlock], mean: Mapping[str, Tensor]) -> None:
    """Check that blocks fit themselves and the parameters.

    Args:
        blocks: The blocks.
        mean: The parameters by name.

    Raises:
        ValueError: If they do not; the message names the first.
    """
    names = [block.layout.name for block in blocks]
    if len(set(names)) < len(names):
        raise ValueError(f"blocks must have different names, got {sorted(names)}.")
    for block in blocks:
        for part in block.layout.parts.values():
            _check_part(block.layout.name, part, mean)
        _check_layout(block.layout)
        _check_factors(block)
    _check_cover(blocks, mean)


def _require(fits: bool, name: str, what: str, got: object) -> None:
    if not fits:
        raise ValueError(f"blocks must have {what}, got {got} for block {name!r}.")


def _check_part(name: str, part: Part, mean: Mapping[str, Tensor]) -> None:
    _require(part.name in mean, name, "parameters of mean", part.name)
    own = mean[part.name]
    _require(own.is_floating_point(), name, "real floating-point means", own.dtype)
    _require(bool(own.isfinite().all()), name, "finite means", f"others in {part.name}")
    fits = part.rows is None or own.ndim > 0
    fits = fits and part.of(own).shape == part.shape
    what = f"parts in the shape of {part.name}, {tuple(own.shape)}"
    _require(fits, name, what, tuple(part.shape))


def _check_layout(layout: Layout) -> None:
    numbers = sum(part.shape.numel() for part in layout.parts.values())
    fits = prod(layout.shape) == numbers and _roles_fit(layout)
    _require(fits, layout.name, "a matrix that its parts fill", layout.shape)


def _roles_fit(layout: Layout) -> bool:
    """Whether the weight and bias of a block with two sides make its matrix."""
    if layout.sides != TWO_SIDES:
        return len(layout.sides) == 1 and layout.shape[:2] == (1, 1)
    if not layout.parts.keys() <= {"weight", "bias"}:
        return False
    blocks, outputs, inputs = layout.shape
    weight, bias = layout.parts.get("weight"), layout.parts.get("bias")
    if bias is not None and bias.shape.numel() != blocks * outputs:
        return False
    if layout.transposed:
        return bias is None and weight is not None and weight.shape == (inputs, outputs)
    return weight is None or weight.shape[:1] == (blocks * outputs,)


def _check_factors(block: MatrixBlock) -> None:
    name, sides = block.layout.name, block.layout.sides
    _require(set(block.factors) == set(sides), name, f"{sides}", list(block.factors))
    for side, factor in block.factors.items():
        _check_factor(block.layout, side, factor)
    two = not block.joint or sides == TWO_SIDES
    _require(two, name, "two sides with one damping", sides)
    positive = isfinite(block.scale) and block.scale > 0
    _require(positive, name, "a finite scale > 0", block.scale)


def _check_factor(layout: Layout, side: str, factor: Request) -> None:
    moment, name = factor.moment_mean, layout.name
    value, size = moment.value, layout.shape[1 if side == OUTPUTS else 2]
    got = f"{moment.form} {value.dtype} of shape {tuple(value.shape)}"
    fits = value.is_floating_point() and _factor_fits(layout, side, factor)
    _require(fits, name, f"a factor of size {size} for {side}", got)
    finite = bool(value.isfinite().all())
    _require(finite, name, "finite factors", f"others for {side}")
    damping = factor.damping
    fits = damping.is_floating_point() and damping.numel() in {1, layout.shape[0]}
    fits = fits and bool(((damping > 0) & damping.isfinite()).all())
    _require(fits, name, f"a damping > 0 of {side}", damping.flatten().tolist())


def _factor_fits(layout: Layout, side: str, factor: Request) -> bool:
    """Whether a factor's tensor has the shape that its form says."""
    moment, (blocks, outputs, inputs) = factor.moment_mean, layout.shape
    shape, size = moment.value.shape, outputs if side == OUTPUTS else inputs
    if side == UNIT:
        entries = {size: 1, size // 2: 3}.get(shape[1:].numel())
        return len(shape) > 1 and shape[0] == entries
    return {
        "matrix": shape == (blocks, size, size),
        "diagonal": shape == (blocks, size),
        "rows": len(shape) == 3 and shape[::2] == (1, size) and blocks == 1,
    }.get(moment.form, False)


def _check_cover(blocks: Collection[MatrixBlock], mean: Mapping[str, Tensor]) -> None:
    """Check that blocks have every element of their parameters once."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for block in blocks:
        for part in block.layout.parts.values():
            whole = (0, _length(mean[part.name]))
            spans.setdefault(part.name, []).append(part.rows or whole)
    for name, rows in spans.items():
        ends = [0, *(end for span in sorted(rows) for end in span)]
        joined = ends[::2] == [*ends[1::2], _length(mean[name])]
        if not joined:
            raise ValueError(
                "blocks must have every element of their parameters once, got rows "
                f"{sorted(rows)} of {name}."
            )


def _length(tensor: Tensor) -> int:
    return len(tensor) if tensor.ndim else 1
