"""What an optimizer has done since it was last asked, for logs."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final


@final
class Figures:
    """Counts of steps and refreshes, and the time that inverses took.

    The time is the host's: on a GPU what is under way when it goes on does not count.
    """

    def __init__(self) -> None:
        self.steps, self.refreshed, self.seconds = 0, 0, 0.0

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Count the time within the context."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start

    def take(self, num_statistics: int) -> dict[str, float]:
        """Averages over the steps since the last call, and begin anew.

        Args:
            num_statistics: How many statistics there are.

        Returns:
            Share of statistics that a step refreshed, and its seconds for inverses.
        """
        steps = max(1, self.steps)
        share = self.refreshed / (steps * max(1, num_statistics))
        result = {"refreshed_share": share, "inverse_seconds": self.seconds / steps}
        self.steps, self.refreshed, self.seconds = 0, 0, 0.0
        return result

    def state_dict(self) -> dict[str, int]:
        """The counts; times are of this process alone."""
        return {"steps": self.steps, "refreshed": self.refreshed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where the counts stood that `state_dict` gave."""
        self.steps, self.refreshed = state["steps"], state["refreshed"]
