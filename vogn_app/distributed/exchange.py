"""Gradients and squares averaged over the examples of all ranks.

Both travel in the same buckets, and a bucket's sum begins as soon as the backward pass
has finished its members. What is sent then rests on the block having one backward pass;
if anything changed afterwards, on any rank, all ranks send everything again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .buckets import Buckets, Shape
from .ranks import Ranks, all_present
from .readiness import Order

Entry = tuple[int, bool]  # number of a parameter, and whether its squares


@dataclass(frozen=True)
class Statistics:
    """What one rank has, or the average over all ranks.

    Args:
        gradients: Of each parameter, None without one.
        squares: Of each parameter, likewise.
        num_examples: Examples behind them.
    """

    gradients: list[Tensor | None]
    squares: list[Tensor | None]
    num_examples: int


@dataclass(frozen=True)
class Weighing:
    """How a rank's values become sums over its examples.

    Args:
        mean: Whether the loss is a mean over the rank's examples.
        power: How often squares carry that: twice, or not at all if they are of each
            example's own loss all the same.
    """

    mean: bool
    power: int = 2

    def factors(self, num_examples: int) -> tuple[float, float]:
        """Factors of gradients and of squares."""
        if not self.mean:
            return 1.0, 1.0
        return num_examples, num_examples**self.power


@dataclass(frozen=True)
class Early:
    """A value that was sent before the backward pass was over."""

    value: Tensor
    version: int
    num_examples: int

    def is_still(self, value: Tensor | None, num_examples: int) -> bool:
        """Whether it is what the rank has now."""
        same = value is self.value and self.value._version == self.version
        return same and num_examples == self.num_examples


class Exchange:
    """Averages over ranks, begun within the backward pass.

    Args:
        parameters: All parameters; the same on every rank.
        ranks: The processes.
        squares: Whether squares travel too.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], ranks: Ranks, *, squares: bool
    ) -> None:
        self.parameters, self.ranks = parameters, ranks
        self._kinds = (False, True) if squares else (False,)  # whether squares
        self._early: dict[int, Early] = {}
        self._sent: list[Entry] = []  # early, in order
        self._again = False
        numbers = range(len(parameters))[::-1]  # backward begins with the last
        entries = ((number, kind) for number in numbers for kind in self._kinds)
        self._order: Order[Entry] = Order(entries, ranks, parameters[0].device)
        self._arrange()

    def _arrange(self) -> None:
        """Make buckets for values in the order in which they get ready."""
        self._entries = self._order.values
        self._index = {entry: index for index, entry in enumerate(self._entries)}
        shapes = [shape_of(self.parameters[number]) for number, _ in self._entries]
        self.buckets = Buckets(shapes, self.ranks)

    @contextmanager
    def overlapping(
        self,
        squares_of: Callable[[int], Tensor | None],
        num_examples: Callable[[], int | None],
        weighing: Weighing,
    ) -> Iterator[None]:
        """Send what the backward passes within the context finish.

        Args:
            squares_of: Squares of a parameter, by its number, once they are complete.
            num_examples: Examples of the only backward pass so far; None if there are
                several.
            weighing: How values become sums over examples.

        Yields:
            Nothing.

        Raises:
            RuntimeError: If an earlier block began to send and never ended.
        """
        if self.buckets.under_way:
            raise RuntimeError(
                "blocks must end together on all ranks, got one that an exception "
                "ended while its gradients were being sent: start all ranks again."
            )
        self.buckets.begin()
        self._early, self._sent, self._again = {}, [], False
        with ExitStack() as stack:
            for number, parameter in enumerate(self.parameters):
                if parameter.requires_grad:
                    send = partial(
                        self._send, number, squares_of, num_examples, weighing
                    )
                    handle = parameter.register_post_accumulate_grad_hook(send)
                    stack.callback(handle.remove)
            yield

    @torch.no_grad()
    def _send(
        self,
        number: int,
        squares_of: Callable[[int], Tensor | None],
        num_examples: Callable[[], int | None],
        weighing: Weighing,
        parameter: Tensor,
    ) -> None:
        """Send a gradient that was just accumulated, and squares that are complete."""
        examples, gradient = num_examples(), parameter.grad
        self._again |= self._index[number, False] in self.buckets.filled
        if self._again or not examples or gradient is None or gradient.is_sparse:
            return
        squares = squares_of(number) if len(self._kinds) > 1 else None
        for kind, value in ((False, gradient), (True, squares)):
            if value is not None:
                index = self._index[number, kind]
                self._sent.append((number, kind))
                self._early[index] = Early(value, value._version, examples)
                self.buckets.put(index, value, weighing.factors(examples)[kind])

    @torch.no_grad()
    def average(self, own: Statistics, weighing: Weighing) -> Statistics:
        """Average over the examples of all ranks.

        Args:
            own: What this rank has: gradients and sums of squares as they came.
            weighing: How they become sums over examples.

        Returns:
            Means over all examples, in new tensors. A rank without a value counts as
            zero, and so does one without examples; what no rank has stays None.

        Raises:
            RuntimeError: If a rank is gone.
        """
        if own.num_examples == 0:  # a mean over nothing is no number
            nothing: list[Tensor | None] = [None] * len(self.parameters)
            own = Statistics(nothing, nothing, 0)
        values = partial(self._value, own, weighing)
        self.buckets.finish(values)
        total, repeat, present = self._compared(own)
        if repeat:
            self.buckets.begin()
            self.buckets.finish(values)
        self._early = {}
        means = self._means(total, present)
        if self._order.learn(self._sent):
            self._arrange()
        return means

    def _compared(self, own: Statistics) -> tuple[int, int, list[int]]:
        """Examples of all ranks, how many ask for a repetition, and who has what."""
        has = [value is not None for value in (*own.gradients, *own.squares)]
        again = self._again or not self._still_true(own)
        device = self.parameters[0].device
        counts = torch.tensor([own.num_examples, again, *has], device=device)
        with all_present():
            dist.all_reduce(counts, group=self.ranks.group)
            total, repeat, *present = counts.tolist()
        return total, repeat, present

    def _means(self, total: int, present: Sequence[int]) -> Statistics:
        """Sums over ranks divided by the number of examples."""
        size = len(self.parameters)
        means: dict[bool, list[Tensor | None]] = {True: [None] * size}
        for kind in self._kinds:
            means[kind] = [
                self.buckets.result(self._index[number, kind]) / max(1, total)
                if present[kind * size + number] else None
                for number in range(size)
            ]  # fmt: skip
        gradients = [
            None if mean is None else mean.to(parameter.dtype)
            for mean, parameter in zip(means[False], self.parameters, strict=True)
        ]
        return Statistics(gradients, means[True], total)

    def _value(
        self, own: Statistics, weighing: Weighing, index: int
    ) -> tuple[Tensor | None, float]:
        number, kind = self._entries[index]
        value = (own.squares if kind else own.gradients)[number]
        return value, weighing.factors(own.num_examples)[kind]

    def _still_true(self, own: Statistics) -> bool:
        """Whether what was sent early is what the rank has in the end."""
        for index, early in self._early.items():
            number, kind = self._entries[index]
            value = (own.squares if kind else own.gradients)[number]
            if not early.is_still(value, own.num_examples):
                return False
        return True


def shape_of(parameter: Tensor) -> Shape:
    """Shape, type and device of a parameter's sums: at least float32."""
    dtype = torch.promote_types(parameter.dtype, torch.float32)
    return parameter.shape, dtype, parameter.device
