"""A part of a page that may fail alone: a damaged file costs that part and no more."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import streamlit as st

from trainers.mapped import MissingFileError
from trainers.runs import RunError
from ui.components.formats import plain

# What reading a damaged file may end in, and a fault of ours just as well.
BROKEN = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError,
    OSError, RunError,
)  # fmt: skip
MOST = 256  # faults that are remembered
P = ParamSpec("P")
logger = logging.getLogger(__name__)
_logged: set[tuple[str, str]] = set()


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show what is wrong with a file in place of the rest of a block.

    What a block hands to `st.fragment` is not guarded by it, see `fragment`.

    Args:
        what: What the block shows, such as "The gallery".
    """
    try:
        yield
    except BROKEN as error:
        text = f"{what} cannot be shown, {_cause(what, error)}"
        st.error(plain(text), icon=":material/broken_image:")


def _cause(what: str, error: Exception) -> str:
    if isinstance(error, MissingFileError):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(str(error.filename)).name} is missing."
    if isinstance(error, RunError | OSError):
        return f"its file is damaged: {error}"
    _log_once(what, error)
    return (
        f"its file is damaged or the program is at fault: {error!r}. The server's log "
        "says where."
    )


def _log_once(what: str, error: Exception) -> None:
    """Log where a fault is; a page that runs by itself has it every second."""
    fault = (what, repr(error)[:1000])
    if fault in _logged:
        return
    if len(_logged) >= MOST:
        _logged.clear()
    _logged.add(fault)
    logger.error("%s cannot be shown.", what, exc_info=error)


def fragment(
    what: str, body: Callable[P, None], run_every: float | None = None
) -> Callable[P, None]:
    """A part of a page that runs again by itself and may fail alone.

    Streamlit shows a traceback for what is raised within `st.fragment`, before any
    block around it learns of it; so the guard stands within.

    Args:
        what: What the part shows, such as "The gallery".
        body: Shows it.
        run_every: Seconds after which it runs again by itself, None for never.

    Returns:
        What shows the part, given the arguments of `body`.
    """

    @wraps(body)  # Streamlit knows a fragment by its name
    def whole(*args: P.args, **kwargs: P.kwargs) -> None:
        with guarded(what):
            body(*args, **kwargs)

    return st.fragment(whole, run_every=run_every)
