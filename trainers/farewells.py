"""Why a rank of a run is gone: what it said before it left, or that it said nothing.

The words are in the launcher's key-value store, which outlives the ranks. Torch-free.
"""

import socket
import time
from contextlib import suppress
from typing import Any

from trainers.ranks import Ranks
from trainers.status import Process


class Farewells:
    """Last words of the ranks.

    Args:
        ranks: The place of this process.
        store: The launcher's store: `set`, `check` and `get` by key.
    """

    def __init__(self, ranks: Ranks, store: Any) -> None:
        self._ranks, self._store = ranks, store
        self._near: dict[int, Process] = {}

    def know(self, everybody: list[tuple[str, dict[str, Any]]]) -> None:
        """Learn who the ranks are.

        Args:
            everybody: Host, and number and start time of the process, by rank.
        """
        here = socket.gethostname()
        self._near = {
            rank: Process(**process)
            for rank, (host, process) in enumerate(everybody)
            if host == here and rank != self._ranks.rank
        }

    def say(self, fault: str) -> None:
        """Tell the others that this rank leaves.

        Args:
            fault: Its error; "" when it leaves for no fault of its own.
        """
        with suppress(RuntimeError):  # the launcher is gone too
            self._store.set(f"end/{self._ranks.rank}", fault)

    def culprit(self, patience: float = 0.0) -> str:
        """Which other rank failed, and how; "" if none is known to have.

        Args:
            patience: Seconds to wait for signs of it.

        Returns:
            A sentence.
        """
        deadline = time.monotonic() + patience
        with suppress(RuntimeError):  # the launcher is gone too
            while True:
                sentence = self._spoken() or self._silent()
                if sentence or time.monotonic() >= deadline:
                    return sentence
                time.sleep(0.05)
        return ""

    def _has_spoken(self, rank: int) -> bool:
        return bool(self._store.check([f"end/{rank}"]))

    def _spoken(self) -> str:
        """The words of a rank that left by a fault of its own."""
        for rank in range(self._ranks.size):
            if rank != self._ranks.rank and self._has_spoken(rank):
                fault = self._store.get(f"end/{rank}").decode()
                if fault:
                    return f"Rank {rank} failed: {fault}"
        return ""

    def _silent(self) -> str:
        """A rank on this machine that is gone and said nothing."""
        for rank, process in self._near.items():
            if process.handle() is None and not self._has_spoken(rank):
                return (
                    f"Rank {rank} (process {process.pid}) ended without a word, as "
                    "when it is killed."
                )
        return ""
