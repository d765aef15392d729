"""Tags, a note and the archive for the runs that are selected."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from trainers.annotations import (
    MAX_NOTE,
    MAX_TAGS,
    Annotations,
    read_annotations,
    write_annotations,
)
from trainers.runs import Run
from ui.components import access
from ui.components.engine import attempt
from ui.components.formats import counted
from ui.components.reading import Summary


def annotate(chosen: Sequence[Summary]) -> None:
    """Show the form for tags and note, and the button of the archive."""
    off = not chosen or not access.may_edit()
    with st.popover("Tags", icon=":material/label:", disabled=off, key="tags"):
        if not off:
            _form(chosen)
    away = bool(chosen) and all(view.annotations.archived for view in chosen)
    if st.button(
        "Unarchive" if away else "Archive",
        icon=":material/unarchive:" if away else ":material/archive:",
        key="archive", disabled=off,
        help="Archived runs stay as they are; the list leaves them out.",
    ):  # fmt: skip
        attempt(partial(put_away, view.run, not away) for view in chosen)


def _form(chosen: Sequence[Summary]) -> None:
    """Edit one run's tags and note, or the tags of several."""
    # Another selection is another form, which knows nothing of what was typed here.
    prefix = hash(tuple(view.run.id for view in chosen))
    one = chosen[0].annotations if len(chosen) == 1 else None
    there = sorted({tag for view in chosen for tag in view.annotations.tags})
    common = [
        tag for tag in there if all(tag in view.annotations.tags for view in chosen)
    ]
    with st.form(f"annotate-{prefix}", border=False):
        tags = st.multiselect(
            f"Tags of {counted(len(chosen), 'run')}" if one is None else "Tags",
            there, default=common, key=f"tags-{prefix}", accept_new_options=True,
            placeholder="Type a word and press Enter", max_selections=MAX_TAGS,
            width=360, help="Those that all of them have; what is added or removed "
            "here is added to or removed from each." if one is None else None,
        )  # fmt: skip
        note = None
        if one is not None:
            note = st.text_area(
                "Note", one.note, key=f"note-{prefix}", max_chars=MAX_NOTE, height=120,
                placeholder="What this run was for, and what came of it",
            )  # fmt: skip
        if st.form_submit_button("Save", type="primary", key=f"save-{prefix}"):
            attempt(
                partial(say, view.run, tags, set(common) - set(tags), note)
                for view in chosen
            )


def say(
    run: Run, added: Iterable[str], removed: Iterable[str], note: str | None
) -> None:
    """Change what is said of a run.

    Args:
        run: The run.
        added: Tags that it shall have.
        removed: Tags that it shall not have.
        note: The note; None for the one that it has.

    Raises:
        ValueError: If a tag or the note is not allowed.
        RunError: If the file is damaged or cannot be written.
    """
    said = read_annotations(run)
    tags = (set(said.tags) - set(removed)) | set(added)
    changed = Annotations(
        tags=tuple(sorted(tags)),
        note=said.note if note is None else note,
        archived=said.archived,
    )
    if changed != said:
        write_annotations(run, changed)


def put_away(run: Run, archived: bool) -> None:
    """Put a run into the archive, or take it out.

    Raises:
        RunError: If the file is damaged or cannot be written.
    """
    write_annotations(run, replace(read_annotations(run), archived=archived))
