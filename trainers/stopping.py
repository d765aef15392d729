"""Turn Ctrl-C and SIGTERM into a stop at the next step boundary, and stop children."""

import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Self

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds: `timeout` and terminals signal the process and its group, so that one wish
# may arrive twice.
SAME_WISH = 1.0
LAST_WAIT = 5.0  # seconds until killed children are gone; they may wait for a disk

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def handling(signals: Iterable[int], handler: Handler) -> Iterator[None]:
    """Handle signals for the time of the block, and then as before.

    Args:
        signals: Their numbers.
        handler: What `signal.signal` takes.
    """
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def end_children(children: Collection[psutil.Process], grace: float) -> None:
    """Ask children of this process to end, and kill those that do not.

    Args:
        children: Those that were started as `psutil.Popen` keep their exit codes.
        grace: Seconds that they have.
    """
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    _, left = psutil.wait_procs(children, timeout=grace)
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(left, timeout=LAST_WAIT)


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
        self._handling = ExitStack()

    def __enter__(self) -> Self:
        self._handling.enter_context(handling(SIGNALS, self._receive))
        return self

    def __exit__(self, *_: object) -> None:
        self._handling.close()

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
