"""The Gaussian posterior q(w) = N(mean, diag(1 / precision))."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_count
from . import layers
from .draws import Sampler, draw_keys
from .layers import LayerSummary
from .matching import check_model, listed, put, restored
from .prediction import Link, Plan, predict, predict_proba
from .state import PosteriorState

NUM_SAMPLES, BATCH_SIZE = 32, 256  # of predictions, unless told


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

    def sample(
        self,
        num_samples: int | None = None,
        *,
        generator: torch.Generator | None = None,
        seed: int | None = None,
    ) -> dict[str, Tensor]:
        """Draw the weights.

        Args:
            num_samples: Number of draws S >= 1; None for one without a dimension of
                its own.
            generator: Gives the keys of the draws, and is advanced: two calls for one
                draw each give what one call for two does.
            seed: Seed of the draws in [0, 2^63); 0 if neither is given.

        Returns:
            New tensors [S, *shape], or [*shape], for every parameter by name, in the
            types of the means. Parameters without noise are their means throughout.

        Raises:
            ValueError: If an argument is out of range, or both sources are given.
        """
        num_draws = check_count(
            "num_samples", 1 if num_samples is None else num_samples
        )
        keys = draw_keys(num_draws, seed, generator)
        draws = Sampler(self.mean, self.precision)(keys)
        weights = {
            name: draws[name]
            if name in draws
            else mean.expand(num_draws, *mean.shape).clone()
            for name, mean in self.mean.items()
        }
        if num_samples is None:
            return {name: tensor[0] for name, tensor in weights.items()}
        return weights

    @contextmanager
    def sampled(
        self,
        model: nn.Module,
        *,
        index: int = 0,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Iterator[None]:
        """Put one draw, and the buffers, into a model for the block.

        What the model held is back bit for bit afterwards, also after an exception.

        Args:
            model: The network; its mode is left alone.
            index: Which draw of the seed, >= 0: the one that `sample` and `predict`
                have at this place.
            seed: As for `sample`.
            generator: As for `sample`; advanced by `index` + 1 keys.

        Yields:
            Nothing.

        Raises:
            ValueError: If the model does not fit or an argument is out of range.
        """
        check_model(model, self.mean, self.buffers)
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise ValueError(f"index must be a whole number >= 0, got {index!r}.")
        keys = draw_keys(index + 1, seed, generator)[index:]
        draw = Sampler(self.mean, self.precision)(keys)
        weights = {**self.mean, **{name: tensor[0] for name, tensor in draw.items()}}
        with restored(model):
            put(model, weights, self.buffers)
            yield

    def load_into(self, model: nn.Module) -> None:
        """Copy mean and buffers into a model, in its own types and devices.

        Args:
            model: The network, changed.

        Raises:
            ValueError: If the model does not fit; it is then unchanged.
        """
        check_model(model, self.mean, self.buffers)
        put(model, self.mean, self.buffers)

    def predict(
        self,
        model: nn.Module,
        x: Any,
        num_samples: int = NUM_SAMPLES,
        *,
        batch_size: int = BATCH_SIZE,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        method: str = "auto",
    ) -> Tensor:
        """Outputs of the network under draws from the posterior.

        The model is the architecture alone: weights and buffers are the posterior's,
        cast to the model's types. It runs in eval mode without gradients on its own
        device; afterwards it is as it was. It must not be used by another thread
        meanwhile. Results are the same for every `batch_size` and `method`, to
        rounding.

        Args:
            model: The network.
            x: Inputs [N, ...]; or a tuple of positional or a dict of keyword arguments
                whose tensors are all [N, ...]. Moved to the model's device.
            num_samples: Number of draws S >= 1.
            batch_size: Examples in memory at a time, >= 1.
            seed: As for `sample`.
            generator: As for `sample`.
            method: "loop" runs draw after draw; "vectorised" several draws together,
                at most 2^21 weights of them (or one draw), which torch's vmap must be
                able to do; "auto" the latter where it was measured to be faster, for
                batches of up to 128 examples in networks of linear layers alone and of
                up to 8 in others, and the loop where vmap cannot do it.

        Returns:
            Outputs [S, N, ...]: what the model gives, or its `.logits`.

        Raises:
            ValueError: If the model does not fit or an argument is out of range.
        """
        plan = Plan(num_samples, batch_size, method, seed, generator)
        return predict(self, model, x, plan)

    def predict_proba(
        self,
        model: nn.Module,
        x: Any,
        num_samples: int = NUM_SAMPLES,
        *,
        link: Link = "softmax",
        average: bool = True,
        batch_size: int = BATCH_SIZE,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        method: str = "auto",
    ) -> Tensor:
        """Probabilities under draws from the posterior, averaged over them.

        Args:
            model: As for `predict`, as are all arguments not named here.
            x: Inputs.
            num_samples: Number of draws S.
            link: "softmax" over the last dimension for classes; "sigmoid" of every
                output for binary or multi-label tasks; or a function of the outputs
                [n, ...] of one draw, example by example, for others (classes in
                another dimension, quantiles).
            average: Whether to average over the draws; then never more than a chunk of
                them is in memory.
            batch_size: Examples in memory at a time.
            seed: Seed of the draws.
            generator: Keys of the draws.
            method: "auto", "vectorised" or "loop".

        Returns:
            Probabilities [N, C], or [S, N, C] without averaging, at least in float32.

        Raises:
            ValueError: If the model does not fit or an argument is out of range.
        """
        plan = Plan(num_samples, batch_size, method, seed, generator)
        return predict_proba(self, model, x, plan, link, average)

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
