"""Vectors times the inverse of a block-wise curvature."""

from collections.abc import Mapping

from torch import Tensor

from ..curvature.evidence import promoted
from ..curvature.kronecker.blocks import Block
from .cooperation import Cooperation
from .curvature import Curvature
from .row_products import is_cheaper, row_product

Tensors = Mapping[str, Tensor]
Rows = Mapping[str, tuple[Tensor, Tensor]]


def check_vector(vector: object, parameters: Tensors) -> None:
    """Check a vector that comes from outside.

    Args:
        vector: Tensors in the shapes of parameters, by name.
        parameters: All parameters by name.

    Raises:
        TypeError: If it is no mapping, or holds what is no tensor.
        ValueError: If a name, a shape or a type is wrong.
    """
    if not isinstance(vector, Mapping):
        raise TypeError(
            "vector must be a mapping of names to tensors, got a "
            f"{type(vector).__name__}."
        )
    for name, value in vector.items():
        if name not in parameters:
            raise ValueError(
                "vector must have names of parameters that are preconditioned, got "
                f"{name!r}."
            )
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor, got {value!r}.")
        if value.shape != parameters[name].shape:
            raise ValueError(
                f"{name} must have shape {tuple(parameters[name].shape)}, got "
                f"{tuple(value.shape)}."
            )
        if not value.is_floating_point():
            raise ValueError(
                f"{name} must be of a floating-point type, got {value.dtype}."
            )


def multiply(
    vector: Tensors,
    parameters: Tensors,
    curvature: Curvature,
    cooperation: Cooperation,
    rows: Rows,
) -> dict[str, Tensor]:
    """Multiply a vector by the inverse of the damped curvature.

    Args:
        vector: Tensors in the shapes of parameters, by name; others count as zero.
        parameters: All parameters by name.
        curvature: The inverses.
        cooperation: Which of them this process applies.
        rows: a and c of blocks whose part of the vector is c^T a.

    Returns:
        The product by the same names; what has no inverse is the vector's own tensor.
    """
    blocks = curvature.blocks
    ready = {
        name: operators
        for name, block in blocks.items()
        if any(part.name in vector for part in block.parts.values())
        and (operators := curvature.operators_of(block)) is not None
    }
    cheap = {
        name
        for name, (a, _) in rows.items()
        if name in ready and is_cheaper(len(a), blocks[name], ready[name])
    }
    own = {
        name: curvature.apply(name, matrix_of(blocks[name], vector, parameters), each)
        for name, each in ready.items()
        if name not in cheap and cooperation.works_on(name)
    }
    result = dict(vector)
    for name, matrix in cooperation.share_products(list(ready), own).items():
        put(blocks[name], blocks[name].from_matrix(matrix), vector, result)
    for name in cheap:
        values = row_product(*rows[name], ready[name], blocks[name].wanted)
        put(blocks[name], values, vector, result)
    return result


def matrix_of(block: Block, vector: Tensors, parameters: Tensors) -> Tensor:
    """A vector's part for a block as its matrix, zero where it has none."""
    matrix = block.to_matrix({
        local: part.of(vector[part.name])
        if part.name in vector
        else parameters[part.name].new_zeros(part.shape)
        for local, part in block.parts.items()
    })
    return promoted(matrix)


def put(
    block: Block, values: Tensors, vector: Tensors, result: dict[str, Tensor]
) -> None:
    """Put a block's product in the place of the vector's part.

    Args:
        block: The block.
        values: By local name.
        vector: What was multiplied; left alone.
        result: Where the product goes.
    """
    for local, part in block.parts.items():
        name = part.name
        if name not in vector:
            continue
        if part.rows is None:
            own = values[local].to(vector[name].dtype)
            result[name] = own.view(vector[name].shape)
            continue
        if result[name] is vector[name]:
            result[name] = vector[name].clone()
        part.of(result[name]).copy_(values[local])
