"""A part of a page that may fail alone: a damaged file costs that part and no more."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from trainers.runs import RunError
from ui.components.formats import plain

_BROKEN = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, OSError, RunError,
)  # fmt: skip


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show what is wrong with a file in place of the rest of a block.

    Args:
        what: What the block shows, such as "The gallery".
    """
    try:
        yield
    except _BROKEN as error:
        told = isinstance(error, RunError | OSError)
        cause = str(error) if told else repr(error)
        text = f"{what} cannot be shown, its file is damaged: {cause}"
        st.error(plain(text), icon=":material/broken_image:")
