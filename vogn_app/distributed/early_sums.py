"""Sums over the ranks of gradients and statistics, begun within the backward pass.

A value is sent as soon as it is final on this rank. What is sent then rests on the step
having one backward pass, after which nothing changes. If anything did, on any rank, all
ranks send everything of that kind again.

How many examples all ranks have is not known early. So what travels are sums over each
rank's own examples, and who gets them divides.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from .exchange import Early
from .owner_buckets import Item, OwnerBuckets
from .ranks import Ranks
from .readiness import Name, Readiness
from .sharding import sum_over_ranks

Factor = Callable[[Name, int], float]  # of a value, from its number of examples
GRADIENTS, STATISTICS = KINDS = ("gradients", "statistics")


@dataclass(frozen=True)
class Own:
    """What a rank has once its backward passes are over.

    Args:
        values: By name, as they came.
        num_examples: Examples behind them.
        counts: Whole numbers to be summed as well, as many on every rank.
    """

    values: Mapping[Name, Tensor]
    num_examples: int
    counts: Sequence[int] = ()


@dataclass(frozen=True)
class Sums:
    """What all ranks have together.

    Args:
        values: Sums over examples that this rank gets; zero where no rank has any.
        num_examples: Examples behind them; a tensor if the host did not wait.
        present: What some rank has; None if the host did not wait.
        counts: Sums of whole numbers; none if the host did not wait.
    """

    values: Mapping[Name, Tensor]
    num_examples: int | Tensor
    present: frozenset[Name] | None
    counts: Sequence[int] = ()


class Compared(NamedTuple):
    """What the ranks have told each other."""

    num_examples: int | Tensor
    again: frozenset[str]  # kinds
    present: frozenset[Name] | None
    counts: Sequence[int]


@final
class EarlySums:
    """Sums of a step's values over the ranks.

    All ranks call `begin`, `launch`, `exchange` and `drop` at the same points.

    Args:
        items: All values that may be summed, in the order in which they probably get
            final; the same on all ranks.
        ranks: The processes.
        device: Where the values are.
        half: Type in which statistics are sent; None for their own.
        whole: Makes a value as it came one of its item's shape.
    """

    def __init__(
        self,
        items: Mapping[Name, Item],
        ranks: Ranks,
        device: torch.device,
        half: torch.dtype | None = None,
        whole: Callable[[Item, Tensor], Tensor] = lambda _, value: value,
    ) -> None:
        self.items, self.ranks, self.device = dict(items), ranks, device
        self._halves = {} if half is None else {STATISTICS: half}
        self._whole = whole
        self._readiness = Readiness(self.items, KINDS, ranks, device)
        self.names: list[Name] = []
        self._index: dict[Name, int] = {}
        self._buckets = OwnerBuckets((), ranks, device)
        self._end()

    def begin(
        self, names: Collection[Name], factor: Factor, *, early: bool = True
    ) -> None:
        """Begin a step.

        Args:
            names: What is summed in it.
            factor: Makes a value a sum over examples.
            early: Whether values may be sent early. The host then waits for what the
                ranks compare in the end, as it does where counts are summed.

        Raises:
            RuntimeError: If an earlier step began to send and never ended.
        """
        if self._buckets.under_way:
            raise RuntimeError(
                "steps must end together on all ranks, got one that was given up while "
                "its gradients were being sent: start all ranks again."
            )
        self._end()
        wanted = set(names)
        order = [name for name in self._readiness.order if name in wanted]
        order.sort(key=self._rests)  # what comes late must not hold up the others
        self._arrange(order)
        self._factor, self._may_hurry, self._begun = factor, early, True

    def _arrange(self, names: list[Name]) -> None:
        """Have buckets for some values, in the order in which they get final."""
        if names == self.names:
            return
        self.names = names
        self._index = {name: index for index, name in enumerate(names)}
        items = [self.items[name] for name in names]
        self._buckets = OwnerBuckets(items, self.ranks, self.device, self._halves)

    def _end(self) -> None:
        """Let go of what was sent."""
        self._buckets.begin()
        self._begun = False
        self._sent: dict[Name, Early | None] = {}
        self._early: list[Name] = []
        self._again: set[str] = set()

    @torch.no_grad()
    def offer(self, name: Name, value: Tensor, num_examples: int) -> None:
        """Send a value that is final unless there is another backward pass.

        Args:
            name: Which one.
            value: As it came.
            num_examples: Examples of the only backward pass so far.
        """
        kind, now = self.items[name].kind, Early(value, value._version, num_examples)
        if name in self._sent:
            if not _are_same(self._sent[name], now):
                self._again.add(kind)
        elif self._may_go_early(name) and not value.is_sparse:
            self._early.append(name)
            self._put(name, now)

    def _may_go_early(self, name: Name) -> bool:
        waits = self.items[name].kind in self._again or self._rests(name)
        return self._may_hurry and name in self._index and not waits

    def _rests(self, name: Name) -> bool:
        return not self._readiness.pays(self.items[name].kind)

    def _put(self, name: Name, now: Early | None) -> None:
        index, item = self._index[name], self.items[name]
        if now is None:
            self._buckets.put(index, None)
        else:
            factor = self._factor(name, now.num_examples)
            self._buckets.put(index, self._whole(item, now.value), factor)
        self._sent[name] = now

    @torch.no_grad()
    def launch(self, own: Own) -> None:
        """Begin all sums that were not begun early; other exchanges may then follow."""
        for name in self.names:
            if not self._buckets.is_filled(self._index[name]):
                self._put(name, _now(own, name))

    @torch.no_grad()
    def exchange(self, own: Own) -> Sums:
        """End a step.

        Args:
            own: What this rank has.

        Returns:
            What all ranks have.

        Raises:
            RuntimeError: If a rank is gone.
        """
        self.launch(own)
        found = self._compared(own)
        if found.again:
            self._buckets.begin(found.again)
            self.launch(own)
        values = self._sums()
        if self._may_hurry:
            self._readiness.learn(self._early, found.again)
        self._end()
        return Sums(values, found.num_examples, found.present, found.counts)

    def drop(self) -> None:
        """End a step that all ranks give up, if one has begun."""
        if self._begun:
            self.launch(Own({}, 0))
            self._sums()
            self._end()

    def _sums(self) -> dict[Name, Tensor]:
        sums = self._buckets.sums()
        return {self.names[number]: value for number, value in sums.items()}

    def _compared(self, own: Own) -> Compared:
        if not (self._may_hurry or own.counts):
            number = torch.full((), own.num_examples, device=self.device)
            total = sum_over_ranks(number, self.ranks).wait()
            return Compared(total, frozenset(), None, ())
        flags = [kind in self._again or self._has_changed(kind, own) for kind in KINDS]
        has = [_now(own, name) is not None for name in self.names]
        mine = [own.num_examples, *flags, *has, *own.counts]
        sent = torch.tensor(mine, device=self.device)
        num_examples, *numbers = sum_over_ranks(sent, self.ranks).wait().tolist()
        repeats, numbers = numbers[: len(KINDS)], numbers[len(KINDS) :]
        there, counts = numbers[: len(has)], numbers[len(has) :]
        return Compared(
            num_examples,
            frozenset(kind for kind, n in zip(KINDS, repeats, strict=True) if n),
            frozenset(name for name, n in zip(self.names, there, strict=True) if n),
            counts,
        )

    def _has_changed(self, kind: str, own: Own) -> bool:
        """Whether something that was sent is not what the rank has in the end."""
        return any(
            self.items[name].kind == kind and not _are_same(sent, _now(own, name))
            for name, sent in self._sent.items()
        )


def _now(own: Own, name: Name) -> Early | None:
    """What there is to send of a value; None for zeros, as without examples."""
    value = own.values.get(name) if own.num_examples else None
    return None if value is None else Early(value, value._version, own.num_examples)


def _are_same(one: Early | None, other: Early | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.is_still(other.value, other.num_examples)
