"""What earlier steps teach about sending early: in which order, and whether it pays."""

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import torch

from .ranks import Ranks, broadcast_first

Name = str | tuple[str, str]  # of a parameter; or of a block and its statistic
Value = TypeVar("Value", bound=Hashable)
LESSONS = 3  # steps that may teach in which order values get ready
LONGEST_REST = 63  # steps


@final
@dataclass
class Patience:
    """Whether to send early: less often while what was sent has to be sent again."""

    rest: int = 0
    longest: int = 0

    def after_step(self, *, repeated: bool) -> None:
        """Note how a step went."""
        if repeated:
            self.longest = min(2 * self.longest + 1, LONGEST_REST)
            self.rest = self.longest
        elif self.rest:
            self.rest -= 1
        else:
            self.longest = 0


@final
class Order(Generic[Value]):
    """In which order values get final.

    Args:
        values: All of them, in the order in which they probably do; the same on all
            ranks.
        ranks: The processes.
        device: Where messages may be.
    """

    def __init__(
        self, values: Iterable[Value], ranks: Ranks, device: torch.device
    ) -> None:
        self._every, self._ranks, self._device = list(values), ranks, device
        self.values = list(self._every)
        self._lessons, self._num_early = LESSONS, 0

    def learn(self, early: Sequence[Value]) -> bool:
        """Put first what rank 0 could send early, in its order; others hold up.

        Args:
            early: What this rank sent early, in order.

        Returns:
            Whether there is a new order, alike on all ranks. The first steps teach: in
            some of them little can be sent early.
        """
        if not self._lessons:
            return False
        self._lessons -= 1
        sent = set(early)
        order = [*early, *(value for value in self.values if value not in sent)]
        codes = {value: code for code, value in enumerate(self._every)}
        lesson = [len(early), *(codes[value] for value in order)]
        told = torch.tensor(lesson, device=self._device)
        broadcast_first(told, self._ranks)
        num_early, *numbers = told.tolist()
        if num_early <= self._num_early:
            return False
        self._num_early = num_early
        self.values = [self._every[number] for number in numbers]
        return True


@final
class Readiness:
    """When values get final, and for how long they stay so.

    Args:
        names: Of all values, in the order in which they probably get final; the same
            on all ranks.
        kinds: What they are; each kind is sent again as one.
        ranks: The processes.
        device: Where messages may be.
    """

    def __init__(
        self,
        names: Iterable[Name],
        kinds: Iterable[str],
        ranks: Ranks,
        device: torch.device,
    ) -> None:
        self._order = Order(names, ranks, device)
        self._patience = {kind: Patience() for kind in kinds}

    @property
    def order(self) -> Sequence[Name]:
        """Names in the order in which they get final."""
        return self._order.values

    def pays(self, kind: str) -> bool:
        """Whether to send a kind early in this step."""
        return self._patience[kind].rest == 0

    def learn(self, early: Sequence[Name], repeated: Collection[str]) -> None:
        """Learn from a step, on all ranks.

        Args:
            early: What this rank sent early, in order.
            repeated: Kinds that were sent again.
        """
        for kind, patience in self._patience.items():
            patience.after_step(repeated=kind in repeated)
        self._order.learn(early)
