"""What a layer rule is, and sums over examples from any rule.

Symbols, here and in every rule:

    x   input of the layer, examples first              [N, ...]
    g   gradient of the loss w.r.t. the layer's output  [N, ...]

The contribution of example n to the gradient of a parameter has the parameter's shape;
positions and tokens are summed before anything is squared. Contributions sum to what
autograd puts in `.grad`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .reductions import Total

Contributions = dict[str, Tensor]

# Elements of one chunk of contributions (64 MiB of float32), so that memory stays
# bounded whatever the batch. Rules that sum by themselves work on smaller pieces.
CHUNK_ELEMENTS = 2**24


class Sums(NamedTuple):
    """Sums over examples, by local name of the parameter.

    Args:
        summed: Sum of the contributions: the parameter's gradient, `[*shape]`.
        squares: Sum of their squares `[*shape]`.
    """

    summed: dict[str, Tensor]
    squares: dict[str, Tensor]


@dataclass(frozen=True)
class LayerRule:
    """How one type of layer gives per-example gradients.

    Args:
        name: Name of the rule, for people.
        contributions: Maps `(module, x, g)` to contributions by parameter name,
            `[N, *shape]` each. Parameters that the module lacks may be left out.
        accepts: Whether an input `(module, x)` has an examples dimension, first.
        sums: A way from `(module, x, g)` to the sums without contributions.
        input_gradient: Maps `(module, x, g, weight)` to the gradient w.r.t. `x`; the
            weight is the one that the call used.
        gradients: Maps `(module, x, g)` to the parameters' gradients `[*shape]`, formed
            as autograd forms them; of rules with an `input_gradient`.
        whole_batch: Whether examples share statistics, so that none can be left out.
    """

    name: str
    contributions: Callable[[nn.Module, Tensor, Tensor], Contributions]
    accepts: Callable[[nn.Module, Tensor], bool]
    sums: Callable[[nn.Module, Tensor, Tensor], Sums] | None = None
    input_gradient: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor] | None = None
    gradients: Callable[[nn.Module, Tensor, Tensor], Contributions] | None = None
    whole_batch: bool = False


def contribution_chunks(
    rule: LayerRule, module: nn.Module, x: Tensor, g: Tensor
) -> Iterator[Contributions]:
    """The rule's contributions, a bounded number of examples at a time.

    Args:
        rule: The module's rule.
        module: The layer.
        x: Its input [N, ...].
        g: Gradient of its output [N, ...].

    Yields:
        Contributions `[n, *shape]` of consecutive examples; the caller owns them.
    """
    if rule.whole_batch:
        yield rule.contributions(module, x, g)
        return
    largest = max(parameter.numel() for parameter in module.parameters(recurse=False))
    size = max(1, CHUNK_ELEMENTS // max(1, largest))
    for x_part, g_part in zip(torch.split(x, size), torch.split(g, size), strict=True):
        yield rule.contributions(module, x_part, g_part)


def layer_sums(rule: LayerRule, module: nn.Module, x: Tensor, g: Tensor) -> Sums:
    """Sums over examples of contributions and of their squares.

    Args:
        rule: The module's rule.
        module: The layer.
        x: Its input [N, ...].
        g: Gradient of its output [N, ...].

    Returns:
        The sums, by the rule's own way if it has one.
    """
    if rule.sums is not None:
        return rule.sums(module, x, g)
    totals: dict[str, Total] = {}
    for part in contribution_chunks(rule, module, x, g):
        for name, rows in part.items():
            totals.setdefault(name, Total()).add(rows)
    return sums_of(totals)


def sums_of(totals: dict[str, Total]) -> Sums:
    """Finished totals, by name, as sums."""
    return Sums(
        {name: total.summed for name, total in totals.items()},
        {name: total.squares for name, total in totals.items()},
    )
