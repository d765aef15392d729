"""The whole Fisher matrix of some parameters, or its diagonal: for small models.

With contributions c_i of N examples, F = N sum_i c_i c_i^T [D, D]. Here is the sum;
times N it is a caller's to make. While there are fewer examples than parameters the
sum is kept as its rows, and solved by way of a matrix of examples (Woodbury).

Axes: n examples of a chunk, D numbers in all parameters together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .inverses import Inverse, Request, damped_inverses
from .moments import Moment


@dataclass(frozen=True)
class DenseFisher:
    """Sum of outer products of contributions, whole or its diagonal.

    Args:
        moment: The sum, of one block.
    """

    moment: Moment

    @staticmethod
    def of(contributions: Tensor) -> "DenseFisher":
        """The whole sum over contributions [n, D]."""
        return DenseFisher(Moment.of_rows(contributions))

    @staticmethod
    def diagonal_of(contributions: Tensor) -> "DenseFisher":
        """The diagonal of the sum over contributions [n, D]."""
        squares = contributions.square().sum(0, keepdim=True)
        return DenseFisher(Moment("diagonal", squares, len(contributions)))

    def __add__(self, other: "DenseFisher") -> "DenseFisher":
        return DenseFisher(self.moment + other.moment)

    def scaled(self, factor: float | Tensor) -> "DenseFisher":
        """The sum times a factor >= 0."""
        return DenseFisher(self.moment.scaled(factor))

    def inverse(self, damping: float | Tensor) -> Inverse | None:
        """(F + damping I)^-1; None where F is not finite."""
        number = torch.as_tensor(damping, dtype=torch.float64)
        return damped_inverses([Request(self.moment, number)])[0]

    def solve(self, vector: Tensor, damping: float | Tensor) -> Tensor | None:
        """The natural gradient (F + damping I)^-1 v.

        Args:
            vector: v [D], or several of them [..., D].
            damping: > 0.

        Returns:
            The solution, of the shape of v; None where F is not finite.
        """
        inverse = self.inverse(damping)
        if inverse is None:
            return None
        rows = vector.reshape(1, -1, vector.shape[-1])
        return inverse.apply(rows).view(vector.shape)


def joined(values: Mapping[str, Tensor], *, leading: int = 0) -> Tensor:
    """Values of several parameters as one vector.

    Args:
        values: Parameter name -> [..., *shape].
        leading: How many dimensions come before the parameters' own.

    Returns:
        [..., D], parameters in the order of the mapping.
    """
    flat = [value.reshape(*value.shape[:leading], -1) for value in values.values()]
    return torch.cat(flat, leading)


def parted(vector: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A vector as values of several parameters: `joined` undone.

    Args:
        vector: [..., D].
        like: Parameter name -> a tensor of its shape.

    Returns:
        Parameter name -> [..., *shape].
    """
    parts = vector.split([value.numel() for value in like.values()], -1)
    return {
        name: part.reshape(vector.shape[:-1] + value.shape)
        for (name, value), part in zip(like.items(), parts, strict=True)
    }
