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
