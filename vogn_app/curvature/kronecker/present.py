"""The call of the model that runs, and where its layers have the examples.

A layer is called on all examples, on their tokens one after the other, on sequences
with the examples second, on some examples alone, or once for all of them. Which of
these is known when the model's call ends, and with it the number of examples.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from ..broadcast import Consumers, Meeting
from ..functional import output_tensors
from .spreading import explains, find_spread


@dataclass(eq=False)
class LayerCall:
    """A call of a layer, within one of the model.

    Args:
        module: The layer.
        shape: Of its input, examples or what stands in their place first.
        tokens: How many dimensions of the input are not features, 0 where unknown.
        alone: Whether the input had no such dimension.
        num_examples: Of the model's call, once it has ended.
        is_part: Whether it was called on some of the examples.
        is_spread: Whether on none, for all of them.
        parts: What the meetings of its output with the examples say, if it is.
    """

    module: nn.Module
    shape: torch.Size
    tokens: int = 0
    alone: bool = False
    num_examples: int | None = None
    is_part: bool = False
    is_spread: bool = False
    parts: list[Tensor | None] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Size of the first dimension."""
        return self.shape[0]

    @property
    def has_place(self) -> bool:
        """Whether it is known where the examples are."""
        return self.is_part or self.is_spread or self.is_second or self.fits(self.rows)

    @property
    def is_second(self) -> bool:
        """Whether the examples are second, as in sequences that come first."""
        num = self.num_examples
        return num != self.rows and self.tokens > 1 and self.shape[1] == num

    def fits(self, rows: int) -> bool:
        """Whether rows can be those of the examples."""
        num = self.num_examples
        return num is None or rows == num or (num > 0 and rows % num == 0)

    def examples_first(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor] | None:
        """Input and output gradient with the examples first.

        Args:
            x: The input.
            g: Gradient of the output.

        Returns:
            Both [N, ...], of windows in layers not of tokens [N W, ...]; None where
            they do not have the examples.
        """
        if self.alone:
            g = g.unsqueeze(0)
        if self.is_spread:
            return self._spread(x, g)
        num = self.num_examples
        if num in {None, len(x)}:
            return x, g
        if self.is_second and g.shape[1] == num:
            return x.transpose(0, 1), g.transpose(0, 1)
        indices = x.ndim == 1 and num != 1  # of positions, more often than of tokens
        if not self.fits(len(x)) or indices:
            return (x, g) if self.is_part else None
        if self.tokens:  # windows of an example, one after the other
            return x.unflatten(0, (num, -1)), g.unflatten(0, (num, -1))
        return x, g

    def _spread(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor] | None:
        """The input as each example has it, and the gradient of each."""
        parts, self.parts = self.parts, []
        if self.alone:
            parts = [part if part is None else part.unsqueeze(1) for part in parts]
        found = explains(parts, g)
        if found is None:
            return None
        x = x.expand(len(found), *x.shape)
        return (x, found) if self.tokens else (x.flatten(0, 1), found.flatten(0, 1))


# Takes a meeting of a call's output with the examples, and sees to it that what it says
# is added to the call's parts; gives what ends that.
Meet = Callable[[GradientEdge, Meeting], RemovableHandle | None]


@dataclass(frozen=True)
class _Seen:
    """A layer's call in the graph of the model's call that runs.

    Args:
        call: The call.
        edges: Its outputs.
        below: The operation that gave its input, if it was one.
        source: Identity of the input, or of what it is a view of.
        meet: Takes a meeting; None where it would not help.
    """

    call: LayerCall
    edges: list[GradientEdge]
    below: Node | None
    source: int
    meet: Meet | None


@final
class Present:
    """A call of the model that runs."""

    def __init__(self) -> None:
        self._seen: list[_Seen] = []

    def add(
        self,
        call: LayerCall,
        edges: list[GradientEdge],
        x: Tensor,
        meet: Meet | None = None,
    ) -> None:
        """Note a layer's call.

        Args:
            call: The call.
            edges: Its outputs.
            x: Its input.
            meet: Takes a meeting of the output; None where it would not help.
        """
        self._seen.append(_Seen(call, edges, x.grad_fn, _source(x), meet))

    def end(
        self, num_examples: int, arguments: Any, output: Any
    ) -> list[RemovableHandle]:
        """Tell the layers' calls where the examples are.

        Args:
            num_examples: Of the model's call.
            arguments: Of the model's call, in any nesting.
            output: What it gave.

        Returns:
            What ends the hooks that this needs.
        """
        for seen in self._seen:
            seen.call.num_examples = num_examples
        if num_examples <= 1:
            return []
        leaves = pytree.tree_leaves(arguments)
        given = {_source(x) for x in leaves if isinstance(x, Tensor)}
        doubtful = [seen for seen in self._seen if _is_doubtful(seen, given)]
        handles = self._look_for_spread(doubtful, output) if doubtful else []
        if not all(seen.call.has_place for seen in doubtful):
            self._look_for_parts()
        return handles

    def _look_for_spread(
        self, doubtful: list[_Seen], output: Any
    ) -> list[RemovableHandle]:
        """See which calls are for all examples at once."""
        consumers = Consumers(output_tensors(output).values())
        by_node = {seen.edges[0].node: seen for seen in self._seen}
        waiting, handles = {seen.edges[0].node: seen for seen in doubtful}, []
        done = set[Node]()
        while waiting:
            node, seen = waiting.popitem()
            done.add(node)
            num = seen.call.num_examples or 0
            meetings, above = find_spread(seen.edges[0], consumers, num)
            # Layers on the way are called once for all, too.
            waiting.update((n, by_node[n]) for n in above - done if n in by_node)
            seen.call.is_spread = bool(meetings)
            if seen.meet is not None:
                handles += [seen.meet(seen.edges[0], each) for each in meetings]
        return [handle for handle in handles if handle is not None]

    def _look_for_parts(self) -> None:
        """See which calls are on some of the examples, by where their input is from."""
        singles = Counter(s.call.module for s in self._seen if s.call.rows == 1)
        bearing = set[Node]()
        for seen in self._seen:
            call = seen.call
            if not call.has_place and call.rows == 1:  # all of them, one by one?
                call.is_part = call.fits(singles[call.module])
            elif not call.has_place:
                call.is_part = _descends(seen.below, bearing)
            if call.has_place and not call.is_spread:
                bearing.update(edge.node for edge in seen.edges)


def _source(x: Tensor) -> int:
    return id(x if x._base is None else x._base)


def _is_doubtful(seen: _Seen, given: set[int]) -> bool:
    """Whether a call may be for all examples at once, by the shape of its input."""
    call, num = seen.call, seen.call.num_examples
    if not call.has_place:
        return True
    # As many positions as examples, or a multiple: then what is neither the model's
    # input nor made from weights may be the same for all.
    by_chance = call.tokens == 1 or call.rows != num
    return by_chance and seen.below is None and seen.source not in given


def _descends(node: Node | None, bearing: set[Node]) -> bool:
    """Whether an operation is one of some, or has one below it."""
    waiting, seen = [node], {node}
    while waiting:
        lower = waiting.pop()
        if lower is None:
            continue
        if lower in bearing:
            return True
        new = {child for child, _ in lower.next_functions} - seen
        seen |= new
        waiting += new
    return False
