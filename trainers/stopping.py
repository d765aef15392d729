"""Turn Ctrl-C and SIGTERM into a stop at the next step boundary."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Notices signals while it is entered.

    A signal ends the work at once, as KeyboardInterrupt, unless `deferred` is set: then
    it is only remembered in `requested`, for the training loop to obey when a step is
    whole. A second Ctrl-C is not patient.
    """

    def __init__(self) -> None:
        self.requested = 0
        self.deferred = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {s: signal.signal(s, self._receive) for s in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        impatient = self.requested and number == signal.SIGINT
        self.requested = number
        if impatient or not self.deferred:
            raise KeyboardInterrupt
