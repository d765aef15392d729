"""The posterior of MC-dropout: weights whose columns are there or not.

Gal and Ghahramani, Dropout as a Bayesian Approximation, 2016 (arXiv:1506.02142):
dropout of rate p before a layer with weights W [out, in] is a distribution over its
weights,

    w = W diag(z) / (1 - p),   z_j = 0 with probability p, otherwise 1,

whose mean is W and whose marginal variances are W^2 p / (1 - p). Columns are the second
dimension also of convolutions, where a whole channel is dropped. One mask is drawn for
the network and shared by all examples, unlike dropout in training, which draws one for
each: that is what makes a draw one network.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from .._checks import check_number
from .base import Draw
from .draws import wide_dtype
from .fields import (
    check_metadata,
    check_names,
    check_prior,
    check_tensors,
    detached,
    plain_values,
)
from .forms import DROPOUT, Form
from .gaussian import GaussianPosterior
from .marginals import marginals_of
from .matching import copies_of, listed, plain_names, unwrap
from .stored import StoredPosterior


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DropoutPosterior(StoredPosterior):
    """A network of which each draw lacks some inputs of its layers.

    It is used as `GaussianPosterior` is, which says more of names, devices and draws;
    `MCDropout.posterior()` makes it. The model's own dropout stays off: predictions
    run it in eval mode.

    Attributes:
        mean: Every parameter of the model by name, also those without noise.
        rates: Probabilities in [0, 1) that a column is 0, by name of a weight
            [out, in, ...] that is not of a grouped or transposed convolution.
        prior_precision: delta >= 0 by sampled parameter; 0 for all unless given.
        buffers: Persistent buffers of the model by name.
        metadata: Free strings and numbers by name.

    Raises:
        ValueError: If an attribute is not as described.
    """

    FORM: ClassVar[Form] = DROPOUT

    rates: dict[str, float]
    prior_precision: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_tensors({"mean": self.mean, "buffers": self.buffers})
        _check_rates(self.mean, self.rates)
        prior = self.prior_precision or dict.fromkeys(self.sampled_names, 0.0)
        check_prior(self.sampled_names, prior, "rates > 0")
        check_metadata(self.metadata)
        plain = {
            "mean": detached(self.mean),
            "buffers": detached(self.buffers),
            "rates": {name: float(rate) for name, rate in self.rates.items()},
            "prior_precision": {name: float(value) for name, value in prior.items()},
            "metadata": plain_values(self.metadata),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_model(
        cls,
        model: nn.Module,
        rates: Mapping[str, float],
        *,
        metadata: Mapping[str, str | int | float] | None = None,
    ) -> Self:
        """The posterior whose weights and buffers a model holds; these are copied.

        Args:
            model: The network, wrapped or not.
            rates: By the model's names, of weights of linear layers and of convolutions
                in one group.
            metadata: Free strings and numbers.

        Returns:
            The posterior, on the device of the model's first parameter.

        Raises:
            ValueError: If a name is not such a weight's, or a rate is out of range.
        """
        names = plain_names(model)
        if wrong := [name for name in rates if name not in names]:
            raise ValueError(
                f"rates must name parameters of model, got {listed(wrong)}."
            )
        _check_columns(model, rates)
        mean, buffers = copies_of(model)
        return cls(
            mean=mean,
            rates={names[name]: rate for name, rate in rates.items()},
            buffers=buffers,
            metadata=dict(metadata or {}),
        )

    @property
    def sampled_names(self) -> Collection[str]:
        """Names of the parameters with noise: those with a rate above 0."""
        return [name for name, rate in self.rates.items() if rate]

    def sampler(self) -> Draw:
        """What draws the sampled parameters."""
        rates = {name: self.rates[name] for name in self.sampled_names}
        return _Sampler(self.mean, rates)

    def variances(self) -> dict[str, Tensor]:
        """Marginal variances W^2 p / (1 - p)."""
        found = {}
        for name in self.sampled_names:
            rate, mean = self.rates[name], self.mean[name]
            wide = mean.to(wide_dtype(mean))
            found[name] = wide.square() * (rate / (1 - rate))
        return found

    def marginals(self) -> GaussianPosterior:
        """The diagonal Gaussian with the same mean and variance of every weight."""
        return marginals_of(self)


def _check_rates(mean: dict[str, Tensor], rates: dict[str, float]) -> None:
    if not isinstance(rates, dict):
        raise ValueError(
            f"rates must be a dict of numbers by name, got {type(rates).__name__}."
        )
    check_names("rates", rates, mean, "parameters of mean")
    for name, rate in rates.items():
        check_number(f"rate of {name}", rate, minimum=0, maximum=1, open_maximum=True)
        weight = mean[name]
        if weight.ndim < 2 or not weight.is_floating_point():
            raise ValueError(
                "rates must be of real floating-point weights [out, in, ...], got "
                f"{weight.dtype} of shape {tuple(weight.shape)} for {name}."
            )


def _check_columns(model: nn.Module, rates: Mapping[str, float]) -> None:
    """Refuse weights whose second dimension is not the inputs of the layer."""
    inner = unwrap(model)
    weights = {id(p): name for name, p in model.named_parameters() if name in rates}
    for module in inner.modules():
        for parameter in module.parameters(recurse=False):
            name = weights.get(id(parameter))
            if name is not None and not _has_columns(module):
                raise ValueError(
                    "rates must be of linear layers and convolutions in one group, got "
                    f"{type(module).__name__} for {name}."
                )


def _has_columns(module: nn.Module) -> bool:
    if isinstance(module, _ConvNd):
        return module.groups == 1 and not isinstance(module, _ConvTransposeNd)
    return isinstance(module, nn.Linear)


class _Sampler:
    """Draws masks of columns, each draw's from a generator of its own."""

    def __init__(self, mean: dict[str, Tensor], rates: dict[str, float]) -> None:
        # Sorted: a draw must not depend on the order in which a file keeps names.
        self._mean = {name: mean[name] for name in sorted(rates)}
        self._rates = rates

    def __call__(self, keys: list[int]) -> dict[str, Tensor]:
        """Draw once for each key: [S, *shape] by name, in the types of the means."""
        sizes = [mean.shape[1] for mean in self._mean.values()]
        uniform = self._uniform(keys, sum(sizes)).split(sizes, dim=1) if sizes else ()
        return {
            name: self._drawn(name, each)
            for name, each in zip(self._mean, uniform, strict=True)
        }

    def _uniform(self, keys: list[int], size: int) -> Tensor:
        """Uniform numbers in [0, 1), a row for each key."""
        device = next(iter(self._mean.values())).device
        generator = torch.Generator(device)
        numbers = torch.empty(len(keys), size, device=device, dtype=torch.float32)
        for row, key in zip(numbers, keys, strict=True):
            row.uniform_(generator=generator.manual_seed(key))
        return numbers

    def _drawn(self, name: str, uniform: Tensor) -> Tensor:
        """One weight: its columns dropped, or scaled up."""
        mean, rate = self._mean[name], self._rates[name]
        wide = mean.to(wide_dtype(mean))
        kept = (uniform >= rate).to(wide.dtype) / (1 - rate)
        columns = kept.view(len(kept), 1, -1, *(1,) * (mean.ndim - 2))
        return (wide * columns).to(mean.dtype)
