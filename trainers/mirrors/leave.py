"""SIGTERM and Ctrl-C ask a mirror to leave; one that cannot is ended."""

import os
import signal
import time
from contextlib import ExitStack
from types import FrameType
from typing import Self

from trainers.stopping import SIGNALS, handling

GRACE = 5.0  # seconds for the last rows, also where a server does not answer
SLICE = 0.1  # seconds


class Leave:
    """Notices the wish that this process leave, while it is entered.

    Args:
        who: Whose name to give when it has to be ended.
        grace: Seconds from the wish to the end by force.
    """

    def __init__(self, who: str, grace: float = GRACE) -> None:
        self.requested = False
        self._who, self._grace = who, grace
        self._handling = ExitStack()

    def __enter__(self) -> Self:
        self._handling.enter_context(handling((signal.SIGALRM,), self._end))
        self._handling.enter_context(handling(SIGNALS, self._ask))
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._handling.close()

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the wish to leave."""
        deadline = time.monotonic() + seconds
        while not self.requested and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self.requested:
            self.requested = True
            signal.setitimer(signal.ITIMER_REAL, self._grace)

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        text = f"{self._who} did not come to an end within {self._grace:g} seconds\n"
        os.write(2, text.encode())
        os._exit(1)
