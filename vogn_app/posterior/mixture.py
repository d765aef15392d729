"""A mixture of posteriors: deep ensembles, snapshots, chains, several VOGNs.

With equal weights on M components, draw k is of component k modulo M. Averages are
taken over multiples of M draws (`num_draws`): so stratified they keep their expectation
and have less variance, while of other numbers the first components would count more. A
component without noise is a point: then draws 0 to M - 1 are exactly the M networks.

    mean = mean_m mean_m
    variance = mean_m (variance_m + (mean_m - mean)^2)     law of total variance
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from .base import Draw, Posterior
from .dropout import DropoutPosterior
from .fields import check_metadata, plain_values
from .forms import MIXTURE, Form
from .gaussian import GaussianPosterior
from .layers import LayerSummary, by_layer, spread_rows
from .low_rank import LowRankPosterior
from .marginals import marginals_of
from .matching import check_same, plain_buffer_names, plain_names, with_own
from .matrix_gaussian import MatrixGaussianPosterior
from .mixture_file import components_of, fields_of
from .mixture_moments import average, common_prior, differing, share, two_terms
from .stored import StoredPosterior

Component = (
    GaussianPosterior | MatrixGaussianPosterior | LowRankPosterior | DropoutPosterior
)
KINDS: tuple[type[Component], ...] = (
    GaussianPosterior, MatrixGaussianPosterior, LowRankPosterior, DropoutPosterior,
)  # fmt: skip
BUILDERS: Mapping[Form, Callable[..., Component]] = {
    kind.FORM: kind.from_fields for kind in KINDS
}

Point = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]  # parameters, buffers


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MixturePosterior(StoredPosterior):
    """Equal weights on several posteriors over the weights of one network.

    It is used as `GaussianPosterior` is, which says more of names, devices and draws.
    Each component has buffers of its own, such as BatchNorm's statistics, which go
    with its draws.

    Attributes:
        components: M >= 1 of them, of one architecture and on one device; a
            `GaussianPosterior` with `precision={}` is a point.
        metadata: Free strings and numbers by name.
        mean: Average of the components' means. It is the centre of the distribution
            and no network to predict with: `has_mean` is False.
        prior_precision: delta of the parameters for which all components have the
            same.
        buffers: Those of the first component.

    Raises:
        ValueError: If an attribute is not as described.
    """

    FORM: ClassVar[Form] = MIXTURE

    components: tuple[Component, ...]
    mean: dict[str, Tensor] = field(init=False)
    prior_precision: dict[str, float] = field(init=False)
    buffers: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        components = _checked(self.components)
        check_metadata(self.metadata)
        object.__setattr__(self, "components", components)
        plain = {
            "mean": average([each.mean for each in components], self._differing),
            "prior_precision": common_prior([
                each.prior_precision for each in components
            ]),
            "buffers": components[0].buffers,
            "metadata": plain_values(self.metadata),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of_points(
        cls,
        model: nn.Module,
        points: Iterable[Point],
        *,
        metadata: Mapping[str, str | int | float] | None = None,
    ) -> Self:
        """The mixture of networks that are given by their tensors, which are copied.

        Args:
            model: The architecture, wrapped or not. What a point does not name is the
                model's own, the same for all.
            points: Parameters and persistent buffers of each network by the model's
                names.
            metadata: Free strings and numbers.

        Returns:
            The mixture, on the device of the model's first parameter.

        Raises:
            ValueError: If there is no point, or one does not fit the model.
        """
        own = GaussianPosterior.from_model(model, {}, prior_precision={})
        names, buffer_names = plain_names(model), plain_buffer_names(model)
        components = tuple(
            GaussianPosterior(
                mean=with_own("parameters", own.mean, parameters, names),
                buffers=with_own(
                    "persistent buffers", own.buffers, buffers, buffer_names
                ),
                precision={},
                prior_precision={},
            )
            for parameters, buffers in points
        )
        return cls(components=components, metadata=dict(metadata or {}))

    @property
    def strata(self) -> Sequence[Posterior]:
        """The components, which take turns."""
        return self.components

    @property
    def has_mean(self) -> bool:
        """False for several: a network of averaged weights is none of the mixture."""
        return len(self.components) == 1 and self.components[0].has_mean

    def num_draws(self, wanted: int) -> int:
        """A multiple of M, so that all components count alike.

        Args:
            wanted: Draws that are asked for, >= 1.

        Returns:
            `wanted` rounded up; M where all components are points, also if fewer are
            wanted: some of the networks would be another distribution.

        Raises:
            ValueError: If `wanted` is out of range.
        """
        wanted, components = super().num_draws(wanted), len(self.components)
        noisy = any(each.sampled_names for each in self.components)
        return -(-wanted // components) * components if noisy else components

    @cached_property
    def _differing(self) -> frozenset[str]:
        """Parameters that differ between components."""
        return differing([each.mean for each in self.components])

    @property
    def sampled_names(self) -> Collection[str]:
        """Parameters that have noise in a component, or differ between them."""
        return self._sampled

    @cached_property
    def _sampled(self) -> list[str]:
        noisy = {name for each in self.components for name in each.sampled_names}
        return [n for n in self.mean if n in noisy or n in self._differing]

    def sampler(self) -> Draw:
        """What draws the sampled parameters; its keys are those of draws 0, 1, ..."""
        samplers = [(each.mean, each.sampler()) for each in self.components]

        def draw(keys: list[int]) -> dict[str, Tensor]:
            found = {
                name: self.mean[name].new_empty(len(keys), *self.mean[name].shape)
                for name in self.sampled_names
            }
            for first, (means, sampler) in enumerate(samplers[: len(keys)]):
                own = slice(first, None, len(samplers))
                weights = sampler(keys[own])
                for name, tensor in found.items():
                    tensor[own] = weights.get(name, means[name])
            return found

        return draw

    def variances(self) -> dict[str, Tensor]:
        """Marginal variances, in double precision, by the law of total variance."""
        return {name: w + b for name, (w, b) in self._within_and_between().items()}

    def _within_and_between(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The two terms of the variance, of the sampled parameters by name."""
        means = [each.mean for each in self.components]
        variances = [each.variances() for each in self.components]
        return {n: two_terms(n, means, variances) for n in self.sampled_names}

    def marginals(self) -> GaussianPosterior:
        """The diagonal Gaussian with the same mean and variance of every weight.

        It is what `summary` tells of, and no substitute in predictions.
        """
        return marginals_of(self)

    def summary(self) -> list[LayerSummary]:
        """As `Posterior.summary`; a single point has rows without any deviation."""
        terms = self._within_and_between()
        if not terms:
            zeros = {n: torch.zeros_like(mean) for n, mean in self.mean.items()}
            terms = {name: (zero, zero) for name, zero in zeros.items()}
        rows = spread_rows(self.mean, {n: w + b for n, (w, b) in terms.items()})
        owned = by_layer(terms)
        return [
            replace(row, between=share([terms[name] for name in owned[row.name]]))
            for row in rows
        ]

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """The mixture on another device or in another type; see `StoredPosterior`."""
        moved = tuple(each.to(device, dtype) for each in self.components)
        return type(self)(components=moved, metadata=self.metadata)

    def fields(self) -> dict[str, Any]:
        """What a file keeps, by name."""
        return {**fields_of(self.components), "metadata": self.metadata}

    @classmethod
    def from_fields(cls, **fields: Any) -> Self:
        """The mixture from the fields of a file; see `StoredPosterior`."""
        metadata = fields.pop("metadata")
        components = components_of(BUILDERS, **fields)
        return cls(components=tuple(components), metadata=metadata)


def _checked(components: Any) -> tuple[Component, ...]:
    """Components that fit together."""
    if not isinstance(components, tuple | list) or not components:
        raise ValueError(
            "components must be at least one posterior, got "
            f"{'none' if components in ((), []) else type(components).__name__}."
        )
    for each in components:
        if not isinstance(each, KINDS):
            raise ValueError(
                "components must be posteriors that are no mixtures, got "
                f"{type(each).__name__}."
            )
    first, *others = components
    for each in others:
        check_same("parameters", first.mean, each.mean)
        check_same("persistent buffers", first.buffers, each.buffers)
    return tuple(components)
