"""The posterior of SWAG: a Gaussian whose covariance is low-rank plus diagonal.

Maddox, Garipov, Izmailov, Vetrov and Wilson, A Simple Baseline for Bayesian Uncertainty
in Deep Learning, 2019 (arXiv:1902.02476), equation 1: from the average m of the weights
that a training passed through, their variances v and the last K deviations D_k from the
running average,

    w = m + sqrt(v) z1 / sqrt(2) + sum_k D_k z2_k / sqrt(2 (K - 1)),

z1 and z2 standard normal: half of the covariance is the diagonal's, half that of the
deviations. z2 is one vector of K numbers for the whole network, so that layers go
together. `scale` multiplies the covariance. Without deviations the covariance is the
whole of v: the paper's SWAG-Diagonal.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from .._checks import check_positive
from .base import Draw
from .draws import wide_dtype
from .fields import (
    check_all,
    check_like,
    check_metadata,
    check_names,
    check_prior,
    check_tensors,
    detached,
    plain_values,
)
from .forms import LOW_RANK, Form
from .gaussian import GaussianPosterior
from .marginals import marginals_of
from .stored import StoredPosterior


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LowRankPosterior(StoredPosterior):
    """A Gaussian with a diagonal and a few directions in which all weights move.

    It is used as `GaussianPosterior` is, which says more of names, devices and draws;
    `SWAG.posterior()` makes it. Draws are made in float32, or in float64 if any
    sampled parameter is.

    Attributes:
        mean: Every parameter of the model by name, also those without noise.
        variance: v >= 0, finite, of the sampled parameters, in the shapes of their
            means.
        deviations: D [K, *shape] of the same parameters, the same K >= 2 for all; empty
            for a diagonal posterior.
        scale: Factor > 0 of the covariance; 1 is the paper's.
        prior_precision: delta >= 0 by sampled parameter; 0 for all unless given.
        buffers: Persistent buffers of the model by name.
        metadata: Free strings and numbers by name.

    Raises:
        ValueError: If an attribute is not as described.
    """

    FORM: ClassVar[Form] = LOW_RANK

    variance: dict[str, Tensor]
    deviations: dict[str, Tensor] = field(default_factory=dict)
    scale: float = 1.0
    prior_precision: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tensors = {name: getattr(self, name) for name in self.FORM.tensors}
        check_tensors(tensors)
        _check_spread(self.mean, self.variance, self.deviations)
        prior = self.prior_precision or dict.fromkeys(self.variance, 0.0)
        check_prior(self.variance.keys(), prior, "variance")
        check_metadata(self.metadata)
        plain = {
            **{name: detached(each) for name, each in tensors.items()},
            "scale": check_positive("scale", self.scale),
            "prior_precision": {name: float(value) for name, value in prior.items()},
            "metadata": plain_values(self.metadata),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @property
    def sampled_names(self) -> Collection[str]:
        """Names of the parameters with noise."""
        return self.variance.keys()

    @property
    def num_deviations(self) -> int:
        """K, 0 for a diagonal posterior."""
        return next((len(each) for each in self.deviations.values()), 0)

    def sampler(self) -> Draw:
        """What draws the sampled parameters."""
        return _Sampler(self)

    def variances(self) -> dict[str, Tensor]:
        """Marginal variances: scale (v + sum_k D_k^2 / (K - 1)) / 2."""
        dtype = wide_dtype(*(self.mean[name] for name in self.variance))
        diagonal, directions = self.factors()
        found = {}
        for name, variance in self.variance.items():
            total = diagonal**2 * variance.to(dtype)
            if self.deviations:
                squares = self.deviations[name].to(dtype).square().sum(0)
                total += directions**2 * squares
            found[name] = total
        return found

    def factors(self) -> tuple[float, float]:
        """Factors of sqrt(v) z1 and of sum_k D_k z2_k in a draw."""
        if not self.deviations:
            return sqrt(self.scale), 0.0
        half = self.scale / 2
        return sqrt(half), sqrt(half / (self.num_deviations - 1))

    def marginals(self) -> GaussianPosterior:
        """The diagonal Gaussian with the same mean and variance of every weight."""
        return marginals_of(self)

    def fields(self) -> dict[str, Any]:
        """What a file keeps, by name."""
        tensors = {name: getattr(self, name) for name in self.FORM.tensors}
        return {
            **tensors,
            "settings": {"scale": self.scale},
            "prior_precision": self.prior_precision,
            "metadata": self.metadata,
        }

    @classmethod
    def from_fields(cls, **fields: Any) -> Self:
        """The posterior from the fields of a file; see `StoredPosterior`."""
        settings = fields.pop("settings")
        return cls(scale=settings["scale"], **fields)


def _check_spread(
    mean: dict[str, Tensor], variance: dict[str, Tensor], deviations: dict[str, Tensor]
) -> None:
    check_names("variance", variance, mean, "parameters of mean")
    for name, tensor in variance.items():
        check_like("variance", name, mean[name], tensor)
        right = tensor.isfinite() & (tensor >= 0)
        check_all("variance", "finite and >= 0", name, tensor, right)
    if not deviations:
        return
    if deviations.keys() != variance.keys():
        raise ValueError(
            "deviations must have the names of variance, or none, got "
            f"{len(deviations)} names for {len(variance)}."
        )
    counts = {len(tensor) if tensor.ndim else 0 for tensor in deviations.values()}
    if len(counts) > 1 or min(counts) < 2:
        raise ValueError(
            "deviations must be the same number of at least 2 for each parameter, got "
            f"{', '.join(map(str, sorted(counts)))}."
        )
    for name, tensor in deviations.items():
        check_like("each of deviations", name, mean[name], tensor[0])
        check_all("deviations", "finite", name, tensor, tensor.isfinite())


class _Sampler:
    """Draws all sampled parameters, each draw from a generator of its own."""

    def __init__(self, posterior: LowRankPosterior) -> None:
        # Sorted: a draw must not depend on the order in which a file keeps names.
        self._names = sorted(posterior.variance)
        self._posterior = posterior
        self._num_directions = posterior.num_deviations
        means = posterior.mean
        self._dtype = wide_dtype(*(means[name] for name in self._names))
        self._sizes = [means[name].numel() for name in self._names]
        self._deviations = {  # views where the types agree
            name: each.to(self._dtype).reshape(len(each), means[name].numel())
            for name, each in posterior.deviations.items()
        }

    def __call__(self, keys: list[int]) -> dict[str, Tensor]:
        """Draw once for each key: [S, *shape] by name, in the types of the means."""
        if not self._names:
            return {}
        *noise, z2 = self._noise(keys).split([*self._sizes, self._num_directions], 1)
        return {
            name: self._drawn(name, z1, z2)
            for name, z1 in zip(self._names, noise, strict=True)
        }

    def _noise(self, keys: list[int]) -> Tensor:
        """Standard normal numbers, a row for each key: z1, then z2."""
        device = self._posterior.mean[self._names[0]].device
        generator = torch.Generator(device)
        size = sum(self._sizes) + self._num_directions
        noise = torch.empty(len(keys), size, dtype=self._dtype, device=device)
        for row, key in zip(noise, keys, strict=True):
            row.normal_(generator=generator.manual_seed(key))
        return noise

    def _drawn(self, name: str, z1: Tensor, z2: Tensor) -> Tensor:
        """One parameter; z1 is overwritten."""
        mean = self._posterior.mean[name]
        variance = self._posterior.variance[name].to(self._dtype)
        diagonal, directions = self._posterior.factors()
        drawn = z1.mul_(diagonal * variance.sqrt().flatten())
        if name in self._deviations:
            # Not a product of matrices, which rounds by how many draws there are.
            for z, deviation in zip(z2.T, self._deviations[name], strict=True):
                drawn.add_((directions * z)[:, None] * deviation)
        drawn.add_(mean.to(self._dtype).flatten())
        return drawn.view(len(z1), *mean.shape).to(mean.dtype)
