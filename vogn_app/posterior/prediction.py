"""Outputs and probabilities under draws from a posterior, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_count
from .draws import draw_keys
from .inputs import Inputs, check_outputs
from .matching import evaluating
from .network import METHODS, Network

if TYPE_CHECKING:
    from .base import Posterior

LINKS = ("softmax", "sigmoid")

Link = str | Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Plan:
    """How to predict; the arguments of `Posterior.predict`, checked.

    Attributes:
        num_samples: Number of draws S.
        batch_size: Examples in memory at a time.
        method: "auto", "vectorised" or "loop".
        seed: Seed of the draws.
        generator: Where keys of the draws come from instead.
    """

    num_samples: int
    batch_size: int
    method: str
    seed: int | None
    generator: torch.Generator | None

    def __post_init__(self) -> None:
        check_count("num_samples", self.num_samples)
        check_count("batch_size", self.batch_size)
        check_choice("method", self.method, METHODS)


@torch.no_grad()
def predict(posterior: "Posterior", model: nn.Module, x: Any, plan: Plan) -> Tensor:
    """The network's outputs; see `Posterior.predict`."""
    inputs, result = Inputs(x), None
    with evaluating(model):
        for draws, rows, outputs in _outputs(posterior, model, inputs, plan):
            if result is None:
                shape = (plan.num_samples, inputs.num_examples, *outputs.shape[2:])
                result = outputs.new_empty(shape)
            result[draws, rows] = outputs
    assert result is not None
    return result


@torch.no_grad()
def predict_proba(
    posterior: "Posterior",
    model: nn.Module,
    x: Any,
    plan: Plan,
    link: Link,
    average: bool,
) -> Tensor:
    """Probabilities; see `Posterior.predict_proba`."""
    if not callable(link):
        check_choice("link", link, LINKS)
    if average:
        plan = replace(plan, num_samples=posterior.num_draws(plan.num_samples))
    inputs, result = Inputs(x), None
    num_kept = 1 if average else plan.num_samples
    with evaluating(model):
        for draws, rows, outputs in _outputs(posterior, model, inputs, plan):
            values = apply_link(link, outputs)
            if result is None:
                shape = (num_kept, inputs.num_examples, *values.shape[2:])
                result = values.new_zeros(shape)
            if average:  # summed at once: all draws may not fit into memory
                result[0, rows] += values.sum(0)
            else:
                result[draws, rows] = values
    assert result is not None
    return result[0] / plan.num_samples if average else result


def apply_link(link: Link, outputs: Tensor) -> Tensor:
    """Probabilities from outputs [S, N, ...], at least in float32.

    Sums of rounded probabilities would drift.

    Args:
        link: "softmax" of outputs [N, C], "sigmoid" of each element, or a function of
            the outputs [N, ...] of one draw.
        outputs: Of S draws.

    Returns:
        Probabilities [S, N, ...].

    Raises:
        ValueError: If it is not clear which dimension has the classes.
    """
    if link == "softmax" and outputs.ndim != 3:
        raise ValueError(
            'link must be "sigmoid", or a function that knows where the classes are, '
            "such as `lambda z: z.softmax(1)`, for outputs that are not [N, C], got "
            f"'softmax' for {list(outputs.shape[1:])}."
        )
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    if callable(link):
        each = torch.stack([link(one) for one in outputs])
        return each.to(torch.promote_types(each.dtype, torch.float32))
    return outputs.softmax(-1) if link == "softmax" else outputs.sigmoid()


def _outputs(
    posterior: "Posterior", model: nn.Module, inputs: Inputs, plan: Plan
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Run the network; draws in the outer loop, as they can cost more than their use.

    Yields:
        The s draws and n examples of a part, and their outputs [s, n, ...].
    """
    keys = draw_keys(plan.num_samples, plan.seed, plan.generator)
    strata = posterior.strata
    for first, own in enumerate(strata[: plan.num_samples]):
        draws = range(first, plan.num_samples, len(strata))
        yield from _of_stratum(own, model, inputs, plan, draws, keys)


def _of_stratum(
    posterior: "Posterior",
    model: nn.Module,
    inputs: Inputs,
    plan: Plan,
    draws: range,
    keys: list[int],
) -> Iterator[tuple[slice, slice, Tensor]]:
    """The same for some of the draws, which one posterior gives."""
    num_rows = min(inputs.num_examples, plan.batch_size)
    network = Network(posterior, model, plan.method, num_rows)
    sampler = posterior.sampler()
    while draws:
        num_draws = network.num_draws
        part, draws = draws[:num_draws], draws[num_draws:]
        weights = sampler([keys[draw] for draw in part])
        for rows, batch in inputs.batches(plan.batch_size, network.device):
            outputs = network(weights, batch, len(part))
            check_outputs(outputs, rows.stop - rows.start)
            yield slice(part.start, part.stop, part.step), rows, outputs
