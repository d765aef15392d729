"""The Gaussian posterior q(w) = N(mean, diag(1 / precision))."""

from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor

from . import layers
from .base import Draw
from .draws import Sampler, wide_dtype
from .layers import LayerSummary
from .matching import listed
from .state import PosteriorState


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GaussianPosterior(PosteriorState):
    """A diagonal Gaussian over the weights of a network, with all that deploys it.

    Names are those of the model without wrappers (DistributedDataParallel,
    DataParallel, torch.compile), and every method takes the model with or without them;
    a wrapper itself is not run. A tied parameter goes by its first name. All tensors
    are on one device and are kept, not copied.

    Draws are reproducible: draw k of a seed depends on the posterior, the seed and k
    alone, not on how many draws are asked for nor in which chunks they are used.
    Torch's global generators are neither read nor advanced. The same seed gives other
    draws on another kind of device, and may on another version of torch.

    Attributes:
        mean: Every parameter of the model by name, also those without noise.
        precision: Precision P > 0, finite, of the sampled parameters only, in the
            shapes of their means. Its names are some of those of `mean`.
        buffers: Persistent buffers of the model by name, such as BatchNorm's running
            statistics.
        prior_precision: delta >= 0 of the prior N(0, I / delta) by sampled parameter.
        metadata: Free strings and numbers by name: num_data, temperature, version.

    Raises:
        ValueError: If an attribute is not as described.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> posterior = GaussianPosterior.from_model(
        ...     model,
        ...     {"weight": torch.full((3, 2), 100.0), "bias": torch.full((3,), 100.0)},
        ...     prior_precision={"weight": 1.0, "bias": 1.0},
        ... )
        >>> posterior.predict_proba(model, torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    @property
    def sampled_names(self) -> Collection[str]:
        """Names of the parameters with noise."""
        return self.precision.keys()

    def sampler(self) -> Draw:
        """What draws the sampled parameters."""
        return Sampler(self.mean, self.precision)

    def variances(self) -> dict[str, Tensor]:
        """Marginal variances: 1 / precision."""
        return {
            name: precision.to(wide_dtype(precision)).reciprocal()
            for name, precision in self.precision.items()
        }

    def kl_divergence(self) -> float:
        """KL(q || N(0, I / delta)) in nats, over all sampled parameters.

        Returns:
            The sum, >= 0.

        Raises:
            ValueError: If a prior precision is 0: such a prior is improper and the
                divergence infinite. To leave its terms out would make the model look
                cheaper than any with a proper prior.
        """
        improper = [name for name, delta in self.prior_precision.items() if not delta]
        if improper:
            raise ValueError(
                "prior_precision must be > 0 for a KL divergence, got 0 for "
                f"{listed(improper)}."
            )
        return layers.total_kl(self.mean, self.precision, self.prior_precision)

    def signal_to_noise(self) -> dict[str, Tensor]:
        """|mean| sqrt(precision) of every sampled parameter by name, >= 0."""
        return {
            name: layers.signal_to_noise(self.mean[name], precision)
            for name, precision in self.precision.items()
        }

    def effective_parameters(self) -> dict[str, float]:
        """Number of weights that the data determine, by sampled parameter.

        The sum of 1 - delta / P over elements (MacKay's gamma), in [0, number of
        elements] where P >= delta, as VOGN's is; not clamped elsewhere.
        """
        return {
            name: layers.effective_parameters(precision, self.prior_precision[name])
            for name, precision in self.precision.items()
        }

    def summary(self) -> list[LayerSummary]:
        """One row for each module that owns sampled parameters, in the model's order.

        Weight and bias of a layer are one row; parameters without noise have none.
        """
        sampled = [n for n in self.mean if n in self.precision and self.mean[n].numel()]
        return [
            layers.summarise(
                layer,
                self.mean,
                {name: self.precision[name] for name in names},
                self.prior_precision,
            )
            for layer, names in layers.by_layer(sampled).items()
        ]
