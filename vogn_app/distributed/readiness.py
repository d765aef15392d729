"""What earlier steps teach about sending early: in which order, and whether it pays."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import final

import torch

from .exchange import LESSONS
from .ranks import Ranks, broadcast_first

Name = str | tuple[str, str]  # of a parameter; or of a block and its statistic
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
        self._every, self._ranks, self._device = list(names), ranks, device
        self.order = list(self._every)
        self._patience = {kind: Patience() for kind in kinds}
        self._lessons, self._num_early = LESSONS, 0

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
        if self._lessons:
            self._lessons -= 1
            self._learn_order(early)

    def _learn_order(self, early: Sequence[Name]) -> None:
        """Put first what rank 0 could send early, in its order; others hold up."""
        sent = set(early)
        order = [*early, *(name for name in self.order if name not in sent)]
        codes = {name: code for code, name in enumerate(self._every)}
        lesson = torch.tensor([len(early), *(codes[name] for name in order)])
        told = lesson.to(self._device)
        broadcast_first(told, self._ranks)
        num_early, *numbers = told.tolist()
        if num_early > self._num_early:
            self._num_early = num_early
            self.order = [self._every[number] for number in numbers]
