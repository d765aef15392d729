"""A part of a page that may fail alone: a damaged file costs that part and no more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import streamlit as st

from trainers.mapped import MissingFileError
from trainers.runs import RunError
from ui.components.formats import plain

_BROKEN = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, OSError, RunError,
)  # fmt: skip
P = ParamSpec("P")


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show what is wrong with a file in place of the rest of a block.

    What a block hands to `st.fragment` is not guarded by it, see `fragment`.

    Args:
        what: What the block shows, such as "The gallery".
    """
    try:
        yield
    except _BROKEN as error:
        text = f"{what} cannot be shown, {_cause(error)}"
        st.error(plain(text), icon=":material/broken_image:")


def _cause(error: Exception) -> str:
    if isinstance(error, MissingFileError):
        return str(error)
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(str(error.filename)).name} is missing."
    told = isinstance(error, RunError | OSError)
    return f"its file is damaged: {error if told else repr(error)}"


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
