"""A step's gradients and statistics summed over the ranks, while backward runs.

A gradient is final on this rank once it was accumulated, a statistic once backward has
been at all uses of its block. Nothing is sent early where a DistributedDataParallel
exchanges gradients at the same time: all ranks must begin all exchanges in one order.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

from ..curvature.kronecker.blocks import INPUTS, Block
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import FactorCapture, Gathered
from ..curvature.kronecker.moments import symmetric_product
from ..distributed import EarlySums, Entry, Item, Own, Ranks, Sums, Weighing
from ..distributed.early_sums import GRADIENTS, STATISTICS
from ..distributed.readiness import Name
from .cooperation import Exchanged
from .entries import entry_of, moment_of

Owners = Mapping[str, int]


@final
class StepSums:
    """What the steps sum over the ranks.

    Args:
        parameters: All parameters by name.
        blocks: The blocks by name.
        ranks: The processes.
        block_owners: Ranks that get the statistics of blocks; None for all ranks.
        gradient_owners: Ranks that get the gradients of parameters; None likewise.
        half: Type in which statistics are sent, to owners; None for their own.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        blocks: Mapping[str, Block],
        ranks: Ranks,
        block_owners: Owners | None,
        gradient_owners: Owners | None,
        half: torch.dtype | None = None,
    ) -> None:
        self.parameters, self.blocks, self.ranks = dict(parameters), blocks, ranks
        self._block_owners = block_owners
        self._gradient_owners = gradient_owners
        device = next(iter(parameters.values())).device
        self._sums = EarlySums(dict(self._items()), ranks, device, half, in_shape)

    def _items(self) -> Iterator[tuple[Name, Item]]:
        """What is summed, in the order of a backward pass: of last blocks first."""
        for name, block in reversed(list(self.blocks.items())):
            for side in block.sides:
                yield (name, side), self._statistic(block, side)
            for part in block.parts.values():
                yield part.name, self._gradient(part.name)
        for name in self.parameters:
            yield name, self._gradient(name)

    def _statistic(self, block: Block, side: str) -> Item:
        dtype = wide(next(iter(self.parameters.values())))
        owners = self._block_owners
        owner = None if owners is None else owners[block.name]
        return Item(STATISTICS, entry_of(block, side), dtype, owner)

    def _gradient(self, name: str) -> Item:
        entry = Entry(tuple(self.parameters[name].shape))
        owners = self._gradient_owners
        owner = None if owners is None else owners[name]
        return Item(GRADIENTS, entry, wide(self.parameters[name]), owner)

    @contextmanager
    def sending(
        self,
        due: Sequence[Key],
        capture: FactorCapture,
        weighing: Weighing,
        *,
        early: bool = True,
    ) -> Iterator[None]:
        """Send what the backward passes within the context finish.

        Args:
            due: Statistics that the step refreshes, the same on all ranks.
            capture: Gathers them, and counts examples.
            weighing: How values become sums over examples.
            early: Whether to send before the step ends; the host then waits there.

        Yields:
            Nothing.
        """
        names: list[Name] = [*self.parameters, *due]
        self._sums.begin(names, partial(factor_of, weighing), early=early)

        def offer(name: Name, value: Tensor | None) -> None:
            num_examples = capture.lone_examples()
            if value is not None and num_examples and not capture.in_parallel:
                self._sums.offer(name, value, num_examples)

        def offer_gradient(name: str, parameter: Tensor) -> None:
            offer(name, parameter.grad)

        def offer_statistics(block: str) -> None:
            for key, moment in capture.so_far(block).items():
                offer(key, moment.value)

        trained = {n: p for n, p in self.parameters.items() if p.requires_grad}
        with ExitStack() as stack:
            if early:
                before, capture.on_settled = capture.on_settled, offer_statistics
                stack.callback(setattr, capture, "on_settled", before)
                for name, parameter in trained.items():
                    handle = parameter.register_post_accumulate_grad_hook(
                        partial(offer_gradient, name)
                    )
                    stack.callback(handle.remove)
            yield

    def launch(self, gathered: Gathered) -> None:
        """As `Cooperation.launch`."""
        self._sums.launch(self._own((), gathered))

    def drop(self) -> None:
        """As `Cooperation.drop`."""
        self._sums.drop()

    def exchange(
        self, due: Sequence[Key], gathered: Gathered, *, gradients: bool
    ) -> Exchanged:
        """As `Cooperation.exchange`."""
        if not (due or gradients):
            return Exchanged(None, (), {}, {}, 0, 0.0, 0.0)
        if not gradients:
            plain = partial(factor_of, Weighing(mean=False))
            self._sums.begin(due, plain, early=False)
        found = self._sums.exchange(self._own(due, gathered))
        means = self._means(found) if gradients else None
        if not due:
            return Exchanged(means, (), {}, {}, 0, 0.0, 0.0)
        assert isinstance(found.num_examples, int)
        total, own = found.num_examples, gathered.num_examples
        weights = (1 / max(1, total), own / max(1, total))
        if not gradients:  # a DistributedDataParallel takes the mean over ranks
            weights = (1 / self.ranks.size, 1 / self.ranks.size)
        keys = [key for key in due if key in (found.present or ())]
        counts = dict(zip(due, found.counts, strict=True))
        sums = {
            (name, side): moment_of(self.blocks[name], side, found.values[name, side])
            for name, side in keys
            if (name, side) in found.values
        }
        return Exchanged(means, keys, sums, counts, total, *weights)

    def _own(self, due: Sequence[Key], gathered: Gathered) -> Own:
        """What this rank has, and how many rows of what is due."""
        values: dict[Name, Tensor] = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        moments = gathered.moments
        values |= {key: moment.value for key, moment in moments.items()}
        counts = [moments[key].count if key in moments else 0 for key in due]
        return Own(values, gathered.num_examples, counts)

    def _means(self, found: Sums) -> dict[str, Tensor]:
        """Gradients of the mean over all examples, where some rank has one."""
        total, result = found.num_examples, {}
        divisor = max(1, total) if isinstance(total, int) else total.clamp(min=1)
        for name, parameter in self.parameters.items():
            there = parameter.requires_grad  # if nobody knows better
            if found.present is not None:
                there = name in found.present
            if there and name in found.values:
                mean = found.values[name] / divisor
                result[name] = mean.to(parameter.device, parameter.dtype)
        return result


def wide(tensor: Tensor) -> torch.dtype:
    """Type in which sums of such tensors are formed: at least single precision."""
    return torch.promote_types(tensor.dtype, torch.float32)


def in_shape(item: Item, value: Tensor) -> Tensor:
    """A moment's value as it is sent: of rows their sum of outer products."""
    if item.kind == STATISTICS and value.shape != item.entry.shape:
        return symmetric_product(value)
    return value


def factor_of(weighing: Weighing, name: Name, num_examples: int) -> float:
    """What makes a rank's gradient or statistic a sum over its examples."""
    of_gradients, of_contributions = weighing.factors(num_examples)
    if isinstance(name, str):
        return of_gradients
    _, side = name
    return 1.0 if side == INPUTS else of_contributions
