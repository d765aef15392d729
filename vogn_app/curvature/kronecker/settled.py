"""When a block's statistics are complete, while the backward pass still runs."""

from collections import Counter
from collections.abc import Iterable
from typing import final


@final
class OpenUses:
    """Uses of blocks in forward passes that the backward pass has yet to reach.

    A checkpoint that runs again is no use of its own: what it watches either belongs to
    a use of the first run, or nobody knows how many more will come.
    """

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def open(self, blocks: Iterable[str]) -> None:
        """Note a use of each block in a forward pass."""
        self._open.update(blocks)

    def returned(self, blocks: Iterable[str]) -> list[str]:
        """Note that backward has been at a use of each; those that have no other."""
        names = list(blocks)
        self._open.subtract(names)
        return [name for name in names if self._open[name] == 0]
