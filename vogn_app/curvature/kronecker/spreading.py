"""Layers that are called once for all examples, as on the positions of a sequence.

What such a layer gives meets the examples in a later operation, which spreads it over
them: a position embedding [1, T, D] is added to tokens [N, T, D]. There the gradient
still has the examples apart; at the layer's own output autograd has added them up. So
the gradient of each example is pulled back from there. That these add up to the
gradient of the layer's output proves that nothing was overlooked.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from ..broadcast import (
    LONGEST_CHAIN,
    Consumers,
    Meeting,
    spreads,
)

# What sums may differ by, of their size: float32 may come from half precision.
ROUNDING, TOLERANCES = 1e-2, {torch.float64: 1e-7}


def find_spread(
    start: GradientEdge, consumers: Consumers, num_examples: int
) -> tuple[list[Meeting], set[Node]]:
    """Where a layer's output meets the examples.

    Args:
        start: The output.
        consumers: The graph of the model's call.
        num_examples: Examples of the call.

    Returns:
        Operations that spread it over the examples, none if some use of it leads
        elsewhere; and the operations on the way.
    """
    found: list[Meeting] = []
    seen, waiting = {start.node}, [start.node]
    while waiting:
        node = waiting.pop()
        uses = list(_uses(node, consumers))
        if not uses or len(seen) > LONGEST_CHAIN:
            return [], set()
        for above, position, number in uses:
            shape = _shape(node, number)
            if not shape:  # a loss: examples may have met before
                return [], set()
            if spreads(above, shape, _shape(above, 0), num_examples):
                source = None if node is start.node else GradientEdge(node, number)
                found.append(Meeting(above, position, source, shape, ()))
            elif above not in seen:
                seen.add(above)
                waiting.append(above)
    return found, seen


def _uses(node: Node, consumers: Consumers) -> Iterator[tuple[Node, int, int]]:
    """Operations on a node's outputs: which operand, which output."""
    for above, position in consumers.parents.get(node, ()):
        yield above, position, above.next_functions[position][1]


def _shape(node: Node, number: int) -> tuple[int, ...]:
    metadata: Any = node._input_metadata
    return tuple(metadata[number].shape)


def explains(parts: list[Tensor | None], gradient: Tensor) -> Tensor | None:
    """Examples' gradients from all meetings, if they add up to that of the output.

    Args:
        parts: Of each meeting [N, *shape].
        gradient: Of the layer's output.

    Returns:
        Their sum, None where something is missing.
    """
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    total = torch.stack(known).sum(0) if len(known) > 1 else known[0]
    wide = torch.promote_types(gradient.dtype, torch.float32)
    each, truth = total.to(wide), gradient.to(wide)
    largest = torch.maximum(each.norm(), truth.norm())
    tolerance = TOLERANCES.get(gradient.dtype, ROUNDING)
    return total if (each.sum(0) - truth).norm() <= tolerance * largest else None
