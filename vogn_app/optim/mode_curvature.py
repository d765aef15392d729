"""The curvature at a mode, and the Gaussian that it makes of a prior.

Symbols, as in `laplace`:
    N, tau     num_data, temperature         F     curvature of a block, of its factors
    delta      prior precision of a block's layer
    C^-1       (N / tau) F + delta I
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.damped import Request
from ..curvature.kronecker.moments import Moment
from ..posterior.draws import wide_dtype
from ..posterior.matrix_blocks import TWO_SIDES, Layout, MatrixBlock
from .marginal_likelihood import best_prior_precision, occam
from .spectra import diagonalised, spectrum

Priors = Mapping[str, float]  # delta by layer
_ROUNDINGS = 8  # of a matrix that is held whole, see `_damping`


@dataclass(frozen=True)
class ModeCurvature:
    """Factors of the curvature at a mode, of the blocks that were measured.

    Args:
        layouts: Of the blocks, with their parameters' plain names.
        factors: Means over the examples, by block and side.
        strength: N / tau.
    """

    layouts: tuple[Layout, ...]
    factors: Mapping[Key, Moment]
    strength: float

    @classmethod
    def of(
        cls,
        layouts: Iterable[Layout],
        factors: Mapping[Key, Moment],
        strength: float,
    ) -> "ModeCurvature":
        """That of the blocks all of whose factors are known."""
        known = (
            layout
            for layout in layouts
            if all((layout.name, side) in factors for side in layout.sides)
        )
        return cls(tuple(known), factors, strength)

    @property
    def layers(self) -> dict[str, list[Layout]]:
        """Blocks by the module that owns their parameters."""
        result: dict[str, list[Layout]] = {}
        for layout in self.layouts:
            result.setdefault(layer_of(layout), []).append(layout)
        return result

    def best_priors(self, mean: Mapping[str, Tensor], *, by_layer: bool) -> Priors:
        """Prior precisions that maximise the marginal likelihood.

        Args:
            mean: The mode, by parameter.
            by_layer: Whether each layer has its own.

        Returns:
            delta by layer.
        """
        layers = self.layers
        if by_layer:
            return {name: self._best(own, mean) for name, own in layers.items()}
        return dict.fromkeys(layers, self._best(self.layouts, mean))

    def _best(self, layouts: Iterable[Layout], mean: Mapping[str, Tensor]) -> float:
        blocks = list(layouts)
        if not blocks:
            return 1.0
        squares = sum(square_norm(layout, mean) for layout in blocks)
        spectra = [self._eigenvalues(layout).cpu() for layout in blocks]
        return best_prior_precision(squares, torch.cat(spectra))

    def _eigenvalues(self, layout: Layout) -> Tensor:
        """Of (N / tau) F."""
        own = {side: self._diagonals[layout.name, side] for side in layout.sides}
        return spectrum(own) * self.strength

    @cached_property
    def _diagonals(self) -> dict[Key, Moment]:
        """Factors as diagonals: their eigenvalues are taken once for all priors."""
        return {
            (layout.name, side): diagonalised(moment, side)
            for layout in self.layouts
            for side, moment in self._factors_of(layout).items()
        }

    def _factors_of(self, layout: Layout) -> dict[str, Moment]:
        return {side: self.factors[layout.name, side] for side in layout.sides}

    def occam(self, mean: Mapping[str, Tensor], priors: Priors) -> float:
        """What the marginal likelihood takes off the likelihood, over all blocks."""
        return sum(
            occam(
                square_norm(layout, mean),
                self._eigenvalues(layout),
                priors[layer_of(layout)],
            )
            for layout in self.layouts
        )

    def matrix_blocks(
        self, mean: Mapping[str, Tensor], priors: Priors
    ) -> list[MatrixBlock]:
        """The Gaussians of all blocks.

        Args:
            mean: The mode, in the types of the draws.
            priors: delta by layer.

        Returns:
            One a block, whose covariance is C.
        """
        result = []
        for layout in self.layouts:
            factors = self._factors_of(layout)
            wanted = priors[layer_of(layout)] / self.strength
            names = (part.name for part in layout.parts.values())
            dtype = wide_dtype(*(mean[name] for name in names))
            damping = _damping(wanted, factors, dtype)
            requests = {side: Request(m, damping) for side, m in factors.items()}
            joint = layout.sides == TWO_SIDES
            result.append(MatrixBlock(layout, requests, 1 / self.strength, joint))
        return result

    def precisions(self, priors: Priors) -> dict[str, Tensor]:
        """The diagonal of C^-1 by parameter, of blocks that are diagonal.

        Args:
            priors: delta by layer.

        Returns:
            In the parameters' shapes.
        """
        result = {}
        for layout in self.layouts:
            (moment,) = self._factors_of(layout).values()
            values = moment.value.view(1, *layout.shape)
            for part, own in layout.scatter(values):
                precision = own[0] * self.strength + priors[layer_of(layout)]
                result[part.name] = precision
        return result

    def by_parameter(self, priors: Priors) -> dict[str, float]:
        """Delta by parameter."""
        return {
            part.name: priors[layer_of(layout)]
            for layout in self.layouts
            for part in layout.parts.values()
        }


def layer_of(layout: Layout) -> str:
    """Name of the module that owns a block's parameters."""
    part = next(iter(layout.parts.values()))
    return part.name.rpartition(".")[0]


def square_norm(layout: Layout, mean: Mapping[str, Tensor]) -> float:
    """Sum of the squares of a block's parameters."""
    parts = layout.parts.values()
    return sum(float(p.of(mean[p.name]).double().square().sum()) for p in parts)


def _damping(
    wanted: float, factors: Mapping[str, Moment], dtype: torch.dtype
) -> Tensor:
    """Tau delta / N; of a matrix that is held whole at least what its rounding needs.

    Two factors are taken apart into eigenvalues, and a diagonal is one: there no
    damping is too small.
    """
    moment = next(iter(factors.values()))
    value = moment.value.new_tensor(wanted)
    if len(factors) > 1 or moment.form == "diagonal":
        return value
    rounding = _ROUNDINGS * torch.finfo(dtype).eps
    return torch.maximum(value, rounding * torch.linalg.norm(moment.matrix()))
