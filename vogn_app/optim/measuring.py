"""Curvature of a whole data set at given weights, in one pass over it.

Sums of factors are kept, and nothing of single batches, so memory is that of the
factors and of one backward pass. The network runs in eval mode: dropout is off, and
BatchNorm takes its running statistics, so that examples are independent of each other.
What the network was, weights' gradients and modes included, it is again afterwards,
also after an exception.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from ..curvature.evidence import full_precision, promoted
from ..curvature.kronecker.blocks import INPUTS, Shape
from ..curvature.kronecker.calls import Key, Moments, add_all
from ..curvature.kronecker.capture import FactorCapture
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.rules import Sharing
from ..curvature.labels import labelled_output
from ..likelihoods import Bernoulli, Categorical, Gaussian, Likelihood
from ..posterior.matching import evaluating, unwrap
from .measures import mean_of
from .noise import NoiseSource
from .passes import passes_named

Batches = Iterable[tuple[Any, Any]]


@dataclass(frozen=True)
class Measured:
    """What a pass over the data has found.

    Args:
        factors: Mean curvature of an example, by block and side; see `blocks`.
        log_likelihood: Sum over the examples of log p(y | f(x)), in nats.
        num_examples: How many there were.
    """

    factors: dict[Key, Moment]
    log_likelihood: float
    num_examples: int


@dataclass(frozen=True, kw_only=True)
class Way:
    """How curvature is measured.

    Args:
        shape: Of the blocks.
        sharing: What positions count as.
        curvature: "exact", "fisher" or "empirical".
        likelihood: What labels are drawn from.
        seed: Of drawn labels.
    """

    shape: Shape
    sharing: Sharing
    curvature: str
    likelihood: Likelihood
    seed: int


def measure(
    network: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    batches: Batches,
    way: Way,
) -> Measured:
    """Measure the curvature of a network's log-likelihood, and that itself.

    Args:
        network: The network, wrapped or not; a wrapper itself is not run.
        parameters: Those whose curvature is wanted, by name within wrappers.
        batches: Inputs, examples first, and labels, on the network's device.
        way: How.

    Returns:
        Means over the examples. What no example went through has no factors.

    Raises:
        ValueError: If there is no example, or a likelihood cannot do what is asked.
    """
    inner = unwrap(network)
    noise = NoiseSource(way.seed)
    passes = passes_named(way.curvature, way.likelihood, noise.labels)
    capture = FactorCapture(
        inner, parameters, shape=way.shape, sharing=way.sharing, passes=passes
    )
    due = {name: frozenset(block.sides) for name, block in capture.blocks.items()}
    sums: Moments = {}
    total, num = torch.zeros((), dtype=torch.float64), 0
    with ExitStack() as stack:
        stack.callback(capture.close)
        stack.enter_context(_undisturbed(inner, parameters))
        for number, (inputs, labels) in enumerate(batches):
            noise.begin_at(number)
            capture.arm(due)
            loss = _backward(inner, inputs, labels, way.likelihood)
            found = capture.gather()
            _clear(parameters)
            add_all(sums, found.moments)
            total, num = total - loss.to(total), num + found.num_examples
    if not num:
        raise ValueError("batches must give at least one example, got none.")
    factors = {
        key: mean_of(moment, 1 / moment.count if key[1] == INPUTS else 1 / num)
        for key, moment in sums.items()
    }
    return Measured(factors, float(total), num)


def _backward(
    network: nn.Module, inputs: Any, labels: Any, likelihood: Likelihood
) -> Tensor:
    """Run a batch forward and backward; gives the sum of its examples' losses.

    Of the sum, contributions are gradients of each example's own loss.
    """
    with torch.enable_grad():
        outputs = labelled_output(network(inputs))
        with full_precision(outputs):
            wide = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
            loss = negative_log_likelihood(likelihood, wide, labels) * len(wide)
        loss.backward()
    return loss.detach()


def _clear(parameters: Mapping[str, nn.Parameter]) -> None:
    for parameter in parameters.values():
        parameter.grad = None


def negative_log_likelihood(
    likelihood: Likelihood, outputs: Tensor, labels: Any
) -> Tensor:
    """The loss that a likelihood belongs to: a mean over examples of -log p(y | f).

    Args:
        likelihood: One of ours, or another, whose `loss` is then taken.
        outputs: f [N, ...].
        labels: y.

    Returns:
        A number. Where examples have several positions, as in `Categorical` and
        `Bernoulli`, that of an example is their mean.
    """
    if isinstance(likelihood, Categorical):
        return F.cross_entropy(outputs, labels)
    if isinstance(likelihood, Bernoulli):
        return F.binary_cross_entropy_with_logits(outputs, labels.to(outputs.dtype))
    loss = likelihood.loss(outputs, labels)
    if isinstance(likelihood, Gaussian):
        each = math.prod(outputs.shape[1:])
        loss = loss + each * math.log(2 * math.pi * likelihood.variance) / 2
    return loss


@contextmanager
def _undisturbed(
    network: nn.Module, parameters: Mapping[str, nn.Parameter]
) -> Iterator[None]:
    """Eval mode with gradients of some parameters alone; afterwards all as before."""
    every = list(network.parameters())
    before = [(p, p.requires_grad, p.grad) for p in every]
    wanted = {id(p) for p in parameters.values()}
    # cuDNN has no backward pass of recurrent layers in eval mode.
    recurrent = any(isinstance(m, nn.RNNBase) for m in network.modules())
    without = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
    try:
        for parameter in every:
            parameter.requires_grad_(id(parameter) in wanted)
            parameter.grad = None
        with evaluating(network), without:
            yield
    finally:
        for parameter, required, gradient in before:
            parameter.requires_grad_(required)
            parameter.grad = gradient


def check_finite(found: Measured) -> None:
    """RuntimeError where weights have run away: no curvature can be had there."""
    values = [moment.value for moment in found.factors.values()]
    finite = math.isfinite(found.log_likelihood)
    if not (finite and all(bool(promoted(v).isfinite().all()) for v in values)):
        raise RuntimeError(
            "the network must give finite losses and curvature on the training data, "
            f"got a log-likelihood of {found.log_likelihood:g}: training has diverged."
        )
