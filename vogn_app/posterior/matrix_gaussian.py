"""The posterior of noisy K-FAC: matrix Gaussians over the blocks of a network."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import log, prod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..curvature.kronecker.covariances import Covariance
from . import layers
from .base import Draw
from .draws import wide_dtype
from .fields import (
    cast,
    check_metadata,
    check_prior,
    check_tensors,
    detached,
    plain_values,
)
from .forms import MATRIX_GAUSSIAN, Form
from .gaussian import GaussianPosterior
from .layers import LayerSummary
from .marginals import marginals_of
from .matching import copies_of, listed
from .matrix_blocks import MatrixBlock, covariances_by_block
from .matrix_checks import check_blocks
from .matrix_draws import MatrixSampler
from .stored import StoredPosterior, wide_of


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MatrixGaussianPosterior(StoredPosterior):
    """A Gaussian with a Kronecker-factored covariance for every block of a network.

    It is used as `GaussianPosterior` is, which says more of names, devices and draws;
    `NoisyKFAC.posterior()` makes it. Layers are independent of each other; within one,
    weights are correlated along inputs and along outputs (`matrix_blocks`). Draws are
    made in float32, or in float64 if any sampled parameter is, by roots of the two
    sides, which are found at the first draw and kept.

    Attributes:
        mean: Every parameter of the model by name, also those without noise.
        blocks: Of the sampled parameters, each of whose elements is in one of them.
        prior_precision: delta >= 0 of the prior N(0, I / delta) by sampled parameter.
        buffers: Persistent buffers of the model by name.
        metadata: Free strings and numbers by name.

    Raises:
        ValueError: If an attribute is not as described.
    """

    FORM: ClassVar[Form] = MATRIX_GAUSSIAN

    blocks: tuple[MatrixBlock, ...]

    def __post_init__(self) -> None:
        factors = _tensors(self.blocks)
        check_tensors({"mean": self.mean, "blocks": factors, "buffers": self.buffers})
        check_blocks(self.blocks, self.mean)
        check_prior(self.sampled_names, self.prior_precision, "the blocks' parameters")
        check_metadata(self.metadata)
        plain = {
            "mean": detached(self.mean),
            "blocks": tuple(self.blocks),
            "buffers": detached(self.buffers),
            "prior_precision": {n: float(v) for n, v in self.prior_precision.items()},
            "metadata": plain_values(self.metadata),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_model(
        cls,
        model: nn.Module,
        blocks: Iterable[MatrixBlock],
        *,
        prior_precision: Mapping[str, float],
        metadata: Mapping[str, str | int | float] | None = None,
    ) -> Self:
        """The posterior whose mean and buffers a model holds; these are copied.

        Args:
            model: The network, wrapped or not.
            blocks: With the names of parameters within wrappers; kept, not copied.
            prior_precision: delta by the same names.
            metadata: Free strings and numbers.

        Returns:
            The posterior, on the device of the model's first parameter.

        Raises:
            ValueError: If an argument is out of range or a block does not fit.
        """
        mean, buffers = copies_of(model)
        device = next((each.device for each in mean.values()), None)
        return cls(
            mean=mean,
            blocks=tuple(block.to(device, None) for block in blocks),
            buffers=buffers,
            prior_precision=dict(prior_precision),
            metadata=dict(metadata or {}),
        )

    @property
    def sampled_names(self) -> Collection[str]:
        """Names of the parameters with noise, in the order of `mean`."""
        parts = (part for block in self.blocks for part in block.layout.parts.values())
        sampled = {part.name for part in parts}
        return [name for name in self.mean if name in sampled]

    def sampler(self) -> Draw:
        """What draws the sampled parameters."""
        means = {name: self.mean[name] for name in self.sampled_names}
        return MatrixSampler(means, self.blocks, self._covariances)

    @cached_property
    def _covariances(self) -> dict[str, Covariance]:
        """By block, in the type of the draws."""
        dtype = wide_dtype(*(self.mean[name] for name in self.sampled_names))
        return covariances_by_block(self.blocks, dtype)

    @cached_property
    def _precise(self) -> dict[str, Covariance]:
        """The same in double precision, for figures, which are sums over them."""
        return covariances_by_block(self.blocks, torch.float64)

    def fields(self) -> dict[str, Any]:
        """What a file keeps, by name."""
        return {
            "mean": self.mean,
            "factors": _tensors(self.blocks),
            "buffers": self.buffers,
            "blocks": {block.layout.name: block.described() for block in self.blocks},
            "prior_precision": self.prior_precision,
            "metadata": self.metadata,
        }

    @classmethod
    def from_fields(cls, **fields: Any) -> Self:
        """The posterior from the fields of a file; see `StoredPosterior`."""
        factors, blocks = fields.pop("factors"), fields.pop("blocks")
        built = (
            MatrixBlock.from_plain(name, described, factors)
            for name, described in blocks.items()
        )
        return cls(blocks=tuple(built), **fields)

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """The posterior on another device or in another type; see `StoredPosterior`."""
        wide = wide_of(dtype)
        return type(self)(
            mean=cast(self.mean, device, dtype),
            blocks=tuple(block.to(device, wide) for block in self.blocks),
            buffers=cast(self.buffers, device, dtype),
            prior_precision=self.prior_precision,
            metadata=self.metadata,
        )

    def marginals(self) -> GaussianPosterior:
        """The diagonal Gaussian with the same mean and variance of every weight.

        It has this one's `signal_to_noise` and `effective_parameters`; its KL
        divergence is smaller, for it knows nothing of correlations.
        """
        return marginals_of(self)

    def variances(self) -> dict[str, Tensor]:
        """Marginal variances, in double precision."""
        variances: dict[str, Tensor] = {}
        for block in self.blocks:
            covariance = self._precise[block.layout.name]
            for part, values in block.variances(covariance):
                mean = self.mean[part.name]
                whole = variances.setdefault(part.name, values.new_zeros(mean.shape))
                part.of(whole).copy_(values[0])
        return variances

    def kl_divergence(self) -> float:
        """KL(q || N(0, I / delta)) in nats, over all sampled parameters.

        Returns:
            The sum, >= 0.

        Raises:
            ValueError: If a prior precision is 0: the divergence is infinite.
        """
        improper = [name for name, delta in self.prior_precision.items() if not delta]
        if improper:
            raise ValueError(
                "prior_precision must be > 0 for a KL divergence, got 0 for "
                f"{listed(improper)}."
            )
        return sum(self._divergence(block) for block in self.blocks)

    def _divergence(self, block: MatrixBlock) -> float:
        """(delta (tr C + |m|^2) - n - n log delta - log det C) / 2 of one block."""
        covariance = self._precise[block.layout.name]
        total = -block.log_determinant(covariance) - prod(block.layout.shape)
        for part, variances in block.variances(covariance):
            delta = self.prior_precision[part.name]
            squares = part.of(self.mean[part.name]).double().square()
            total += delta * float(variances.sum() + squares.sum())
            total -= variances.numel() * log(delta)
        return total / 2

    def signal_to_noise(self) -> dict[str, Tensor]:
        """|mean| over the standard deviation of every weight, by sampled parameter."""
        return self.marginals().signal_to_noise()

    def effective_parameters(self) -> dict[str, float]:
        """Number of weights that the data determine, by sampled parameter.

        The sum of 1 - delta times the variance, which over a block is the trace of
        I - delta C, as in `GaussianPosterior.effective_parameters`.
        """
        return self.marginals().effective_parameters()

    def summary(self) -> list[LayerSummary]:
        """One row for each module that owns sampled parameters, in the model's order.

        `kl` is that of the blocks within the module; None where a block has parameters
        of several modules, or a prior precision is 0.
        """
        names = layers.by_layer(self.sampled_names)
        kl: dict[str, float | None] = dict.fromkeys(names, 0.0)
        for block in self.blocks:
            parts = block.layout.parts.values()
            owners = layers.by_layer(part.name for part in parts)
            proper = all(self.prior_precision[part.name] for part in parts)
            own = self._divergence(block) if proper and len(owners) == 1 else None
            for owner in owners:
                before = kl[owner]
                kl[owner] = None if own is None or before is None else before + own
        rows = self.marginals().summary()
        return [replace(row, kl=kl[row.name]) for row in rows]


def _tensors(blocks: Iterable[MatrixBlock]) -> dict[str, Tensor]:
    return {k: tensor for block in blocks for k, tensor in block.tensors().items()}
