"""What any posterior over the weights of a network does: draws and predictions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_count, check_whole
from .draws import draw_keys
from .layers import LayerSummary, spread_rows
from .matching import check_model, put, restored
from .prediction import Link, Plan, predict, predict_proba

NUM_SAMPLES, BATCH_SIZE = 32, 256  # of predictions, unless told

# Weights [S, *shape] of the sampled parameters by name, from S keys of draws.
Draw = Callable[[list[int]], dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Posterior(ABC):
    """A distribution over the weights of a network, with all that deploys it.

    What `GaussianPosterior` says of names, devices and draws holds for all of them.

    Attributes:
        mean: Every parameter of the model by name, also those without noise.
        prior_precision: delta >= 0 of the prior N(0, I / delta) by sampled parameter.
        buffers: Persistent buffers of the model by name, such as BatchNorm's running
            statistics.
        metadata: Free strings and numbers by name: num_data, temperature, version.
    """

    mean: dict[str, Tensor]
    prior_precision: dict[str, float]
    buffers: dict[str, Tensor] = field(default_factory=dict)
    metadata: dict[str, str | int | float] = field(default_factory=dict)

    @property
    @abstractmethod
    def sampled_names(self) -> Collection[str]:
        """Names of the parameters with noise."""

    @abstractmethod
    def sampler(self) -> Draw:
        """What draws the sampled parameters, in the types of their means."""

    @abstractmethod
    def variances(self) -> dict[str, Tensor]:
        """Marginal variance >= 0 of each sampled weight, by parameter.

        Returns:
            Tensors in the shapes of the means, at least in float32.
        """

    @property
    def strata(self) -> Sequence["Posterior"]:
        """Posteriors that take turns: draw k is of the one at k modulo their number."""
        return (self,)

    @property
    def has_mean(self) -> bool:
        """Whether the mean is a network that predicts."""
        return True

    def num_draws(self, wanted: int) -> int:
        """How many draws an average is to be taken over.

        Args:
            wanted: Draws that are asked for, >= 1.

        Returns:
            As many; of a mixture of M a multiple of M, as all count alike: rounded up,
            or M where each is a single network and no others differ.

        Raises:
            ValueError: If `wanted` is out of range.
        """
        return check_count("wanted", wanted)

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
        draws = self.sampler()(keys)
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
        check_whole("index", index, minimum=0)
        keys = draw_keys(index + 1, seed, generator)[index:]
        own = self.strata[index % len(self.strata)]
        draw = own.sampler()(keys)
        weights = {**own.mean, **{name: tensor[0] for name, tensor in draw.items()}}
        with restored(model):
            put(model, weights, own.buffers)
            yield

    def load_into(self, model: nn.Module) -> None:
        """Copy mean and buffers into a model, in its own types and devices.

        Args:
            model: The network, changed.

        Raises:
            ValueError: If the model does not fit, or the mean is no network
                (`has_mean`); it is then unchanged.
        """
        if not self.has_mean:
            raise ValueError(
                f"{type(self).__name__} has no one network to load: use "
                "`with posterior.sampled(model, index=k):` for one after another, or "
                "`predict_proba`, which averages over them."
            )
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
            num_samples: Number of draws S >= 1; for averages `num_draws(S)`.
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
                them is in memory, and `num_draws(num_samples)` of them are taken, with
                which the components of a mixture count alike.
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

    def summary(self) -> list[LayerSummary]:
        """One row for each module that owns sampled parameters, in the model's order.

        Weight and bias of a layer are one row; parameters without noise have none.
        """
        return spread_rows(self.mean, self.variances())

    def __repr__(self) -> str:
        weights = sum(tensor.numel() for tensor in self.mean.values())
        sampled = sum(self.mean[name].numel() for name in self.sampled_names)
        return (
            f"{type(self).__name__}(num_parameters={weights}, num_sampled={sampled}, "
            f"num_buffers={len(self.buffers)}, metadata={self.metadata})"
        )
