"""Eigendecompositions of Kronecker factors, and preconditioning in their bases.

With A = Q_A diag(v_A) Q_A^T, G = Q_G diag(v_G) Q_G^T and a gradient M [B, out, in],

    P = Q_G ((Q_G^T M Q_A) / D) Q_A^T

where the denominators D [B, out, in] are one of

    eigenvalues   v_G v_A^T + damping
    EKFAC         scales + damping, the scales being the second moments of what examples
                  contribute to Q_G^T M Q_A (George et al., 2018)

Axes: B independent blocks of a layer, n columns of a factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .damped import alike
from .moments import Moment

_LinAlgError: type[Exception] = torch.linalg.LinAlgError  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Eigenbasis:
    """Eigenvalues and eigenvectors of a factor.

    Args:
        values: [B, n], not negative.
        vectors: [B, n, n], a vector a column; None for those of a diagonal factor, the
            identity.
    """

    values: Tensor
    vectors: Tensor | None

    def rotate(self, rows: Tensor) -> Tensor:
        """Coordinates in this basis of rows [..., B, *, n]."""
        return rows if self.vectors is None else rows @ self.vectors

    def restore(self, rows: Tensor) -> Tensor:
        """Rows [..., B, *, n] of given coordinates: `rotate` undone."""
        return rows if self.vectors is None else rows @ self.vectors.mT


def eigenbases(moments: Sequence[Moment]) -> list[Eigenbasis | None]:
    """Eigendecompositions of factors, those of one shape at once.

    Where one fails, those of its shape are tried again alone in double precision.

    Args:
        moments: The factors, their values means already.

    Returns:
        An eigenbasis a factor; None where it is not finite or does not converge.
    """
    bases: dict[int, Eigenbasis | None] = {}
    kinds = [(moment.form == "diagonal", moment.size) for moment in moments]
    for places in alike([moment.value for moment in moments], kinds):
        diagonal, _ = kinds[places[0]]
        some = [moments[place] for place in places]
        found = [_of_diagonal(m) for m in some] if diagonal else _together(some)
        bases |= zip(places, found, strict=True)
    return _finite([bases[place] for place in range(len(moments))])


def eigen_precondition(
    gradient: Tensor,
    outputs: Eigenbasis,
    inputs: Eigenbasis,
    damping: float | Tensor,
    scales: Tensor | None = None,
) -> Tensor:
    """The natural gradient by way of the eigenbases.

    Args:
        gradient: M [..., B, out, in].
        outputs: Eigenbasis of the factor of the output gradients.
        inputs: Eigenbasis of the factor of the inputs.
        damping: > 0.
        scales: EKFAC's scales [B, out, in]; None for the products of eigenvalues.

    Returns:
        P, of the shape of the gradient.
    """
    if scales is None:
        scales = outputs.values.unsqueeze(-1) * inputs.values.unsqueeze(-2)
    coordinates = _rotate(gradient, outputs, inputs) / (scales + damping)
    return outputs.restore(inputs.restore(coordinates).mT).mT


def ekfac_scales(
    contributions: Tensor, outputs: Eigenbasis, inputs: Eigenbasis
) -> Tensor:
    """Sums of squared contributions in the eigenbases.

    Args:
        contributions: Of examples to M, summed over positions: [n, B, out, in].
        outputs: Eigenbasis of the factor of the output gradients.
        inputs: Eigenbasis of the factor of the inputs.

    Returns:
        The sums over examples [B, out, in].
    """
    return _rotate(contributions, outputs, inputs).square().sum(0)


def ekfac_scales_of_rows(
    output_rows: Tensor, input_rows: Tensor, outputs: Eigenbasis, inputs: Eigenbasis
) -> Tensor:
    """As `ekfac_scales` of examples that contribute c a^T each, without forming these.

    Args:
        output_rows: c [n, out].
        input_rows: a [n, in].
        outputs: Eigenbasis of the factor of the output gradients, of one block.
        inputs: Eigenbasis of the factor of the inputs, of one block.

    Returns:
        The sums over examples [1, out, in].
    """
    c = outputs.rotate(output_rows.unsqueeze(0)).square()
    a = inputs.rotate(input_rows.unsqueeze(0)).square()
    return c.mT @ a


def _rotate(matrices: Tensor, outputs: Eigenbasis, inputs: Eigenbasis) -> Tensor:
    """Q_G^T M Q_A of matrices [..., B, out, in]."""
    return outputs.rotate(inputs.rotate(matrices).mT).mT


def _of_diagonal(moment: Moment) -> Eigenbasis:
    return Eigenbasis(moment.value.clamp(min=0), None)


def _together(moments: Sequence[Moment]) -> list[Eigenbasis | None]:
    """Eigenbases of factors of one shape."""
    matrices = [moment.matrix() for moment in moments]
    try:
        values, vectors = torch.linalg.eigh(torch.cat(matrices))
    except _LinAlgError:
        return [_alone(matrix) for matrix in matrices]
    sizes = [len(matrix) for matrix in matrices]
    parts = zip(values.clamp_(min=0).split(sizes), vectors.split(sizes), strict=True)
    return [Eigenbasis(*part) for part in parts]


def _alone(matrix: Tensor) -> Eigenbasis | None:
    """The eigenbasis of one factor [B, n, n], in double precision."""
    try:
        values, vectors = torch.linalg.eigh(matrix.double())
    except _LinAlgError:
        return None
    return Eigenbasis(values.clamp_(min=0).to(matrix), vectors.to(matrix))


def _finite(bases: Sequence[Eigenbasis | None]) -> list[Eigenbasis | None]:
    """The bases that are finite, read at once."""
    sums = [_checksum(basis) for basis in bases if basis is not None]
    if not sums:
        return list(bases)
    flags = iter(torch.stack(sums).isfinite().tolist())
    return [basis if basis is not None and next(flags) else None for basis in bases]


def _checksum(basis: Eigenbasis) -> Tensor:
    """A number that is finite where the basis is."""
    total = basis.values.sum()
    if basis.vectors is not None:
        total = total + basis.vectors.sum()
    return total.double()
