"""Draws from Gaussians whose covariances are the inverses of blocks' damped curvature.

    one factor    C = (X + x I)^-1                     draw  e B_X
    factored      C = (A + a I)^-1 x (G + g I)^-1      draw  B_G^T E B_A
    joint         C = (A x G + x I)^-1                 draw  Q_G (E / sqrt(D)) Q_A^T

with standard normals E [out, in], roots B (`roots`), eigenvectors Q and eigenvalues v
of the factors (`eigen`), and D = v_G v_A^T + x. No Kronecker product is ever formed.

Axes: S draws, B independent blocks of a layer.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, final

from torch import Tensor

from .blocks import INPUTS, OUTPUTS
from .calls import Key
from .damped import Request
from .eigen import Eigenbasis, eigenbases
from .roots import Root, roots_of


class Covariance(Protocol):
    """Covariance C of a block's matrix [B, out, in]."""

    def draw(self, noise: Tensor) -> Tensor:
        """Draws with covariance C from standard normals, both [S, B, out, in]."""
        ...

    def variances(self) -> Tensor:
        """The diagonal of C, [B, out, in]."""
        ...

    def log_determinant(self) -> Tensor:
        """Logarithm of the determinant of C, a number."""
        ...


@final
class FactoredCovariance:
    """Of one factor, or of two with a damping each.

    Args:
        roots: Of the factor; or of the inputs' and then the outputs'.
    """

    def __init__(self, roots: Sequence[Root]) -> None:
        self.roots = tuple(roots)

    def draw(self, noise: Tensor) -> Tensor:
        """Draws with covariance C."""
        right = self.roots[0].apply(noise.transpose(0, 1))
        if len(self.roots) == 1:
            return right.transpose(0, 1)
        left = self.roots[1].apply(right.mT.contiguous())
        return left.mT.transpose(0, 1)

    def variances(self) -> Tensor:
        """The diagonal of C."""
        first, *rest = (root.variances() for root in self.roots)
        right = first.unsqueeze(1)
        return rest[0].unsqueeze(2) * right if rest else right

    def log_determinant(self) -> Tensor:
        """Of C."""
        each = [root.log_determinant().sum() for root in self.roots]
        if len(each) == 1:
            return -each[0]
        inputs, outputs = (root.variances().shape[1] for root in self.roots)
        return -(outputs * each[0] + inputs * each[1])


@final
class JointCovariance:
    """Of two factors with one damping of their product.

    Args:
        inputs: Eigenbasis of the inputs' factor.
        outputs: Eigenbasis of the outputs'.
        damping: x > 0, a number.
    """

    def __init__(
        self, inputs: Eigenbasis, outputs: Eigenbasis, damping: Tensor
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        products = outputs.values.unsqueeze(2) * inputs.values.unsqueeze(1)
        self.deviations = (products + damping).rsqrt()

    def draw(self, noise: Tensor) -> Tensor:
        """Draws with covariance C."""
        right = self.inputs.restore(noise * self.deviations)
        return self.outputs.restore(right.mT).mT

    def variances(self) -> Tensor:
        """The diagonal of C."""
        right = _squared(self.inputs).restore(self.deviations.square())
        return _squared(self.outputs).restore(right.mT).mT

    def log_determinant(self) -> Tensor:
        """Of C."""
        return 2 * self.deviations.log().sum()


def _squared(basis: Eigenbasis) -> Eigenbasis:
    vectors = basis.vectors
    return Eigenbasis(basis.values, None if vectors is None else vectors.square())


def covariances_of(
    requests: Mapping[Key, Request], joint: Collection[str] = ()
) -> dict[str, Covariance | None]:
    """Covariances of blocks, equal shapes together.

    Args:
        requests: Statistics of whole blocks that are means, with their dampings.
        joint: Blocks with one damping, which both of their requests carry.

    Returns:
        A covariance a block; None where even double precision fails.
    """
    turned = [key for key in requests if key[0] in joint]
    bases = eigenbases([requests[key].moment_mean for key in turned])
    found = dict(zip(turned, bases, strict=True))
    roots = roots_of({k: r for k, r in requests.items() if k[0] not in joint})
    result: dict[str, Covariance | None] = {}
    for name in dict.fromkeys(name for name, _ in requests):
        if name in joint:
            a, g = found[name, INPUTS], found[name, OUTPUTS]
            damping = requests[name, INPUTS].damping
            known = None if a is None or g is None else JointCovariance(a, g, damping)
            result[name] = known
        else:
            own = {side: root for (block, side), root in roots.items() if block == name}
            result[name] = _factored(own)
    return result


def _factored(own: Mapping[str, Root | None]) -> FactoredCovariance | None:
    order = (INPUTS, OUTPUTS) if len(own) == 2 else tuple(own)
    roots = [root for side in order if (root := own[side]) is not None]
    return FactoredCovariance(roots) if len(roots) == len(order) else None
