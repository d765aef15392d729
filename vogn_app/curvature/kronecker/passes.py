"""Passes of ours, which say what the gradients of layers' outputs are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .blocks import ExampleBlock
from .gathering import Gathering

# Gives the gradients w.r.t. an output, of N examples' own losses, one a pass.
Passes = Callable[[Tensor, int], Iterable[Tensor]]
# Takes the gradients of a call's outputs, and whether its inputs are new.
Take = Callable[[list[Tensor | None], bool], None]


@dataclass(frozen=True)
class Later:
    """A layer's call whose output gradients come from a pass of ours.

    Args:
        block: What takes per-example gradients of it, if anything does.
        edges: Where the gradients are to be had in the graph.
        take: What to do with them.
    """

    block: ExampleBlock | None
    edges: list[Any]
    take: Take


def run_passes(
    calls: Sequence[Later],
    output: Tensor,
    starts: Iterable[Tensor],
    gathering: Gathering,
) -> None:
    """Run passes backward from an output of the model.

    Args:
        calls: Of layers, which take what the passes say.
        output: The output.
        starts: Its gradient, one a pass.
        gathering: Gets the sums.
    """
    edges = [edge for call in calls for edge in call.edges]
    for number, start in enumerate(starts):
        found = iter(torch.autograd.grad(
            output, edges, start, retain_graph=True, allow_unused=True
        ))  # fmt: skip
        with torch.no_grad():
            for call in calls:
                if call.block is not None:
                    gathering.examples(call.block).open(recomputed=False)
            for call in calls:
                call.take([next(found) for _ in call.edges], number == 0)
            gathering.finish()
