"""Turn Ctrl-C and SIGTERM into a stop at the next step boundary."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds: `timeout` and terminals signal the process and its group, so that one wish
# may arrive twice.
SAME_WISH = 1.0


class StopSignal:
    """Notices signals while it is entered.

    A signal ends the work as KeyboardInterrupt, once, so that what follows can write
    the end in peace. Inside `deferred` it is only remembered in `requested`, for the
    training loop to obey when a step is whole; a second Ctrl-C is not that patient.
    """

    def __init__(self) -> None:
        self.requested = 0
        self._since = 0.0
        self._deferred = False
        self._interrupted = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {s: signal.signal(s, self._receive) for s in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Put signals off to the end of the block.

        An error in the block goes before a stop, be it asked for earlier or later.

        Raises:
            KeyboardInterrupt: At the end, if a stop was requested.
        """
        self._deferred = True
        try:
            yield
        except BaseException:
            self.settle()
            raise
        finally:
            self._deferred = False
        if self.requested:
            raise KeyboardInterrupt

    def settle(self) -> None:
        """Let signals interrupt no more: the work is over, its end is written."""
        self._interrupted = True

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        now = time.monotonic()
        again = bool(self.requested) and now - self._since > SAME_WISH
        if not self.requested:
            self.requested, self._since = number, now
        impatient = again and number == signal.SIGINT
        if (impatient or not self._deferred) and not self._interrupted:
            self._interrupted = True
            raise KeyboardInterrupt
