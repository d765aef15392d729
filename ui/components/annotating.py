"""Tags, a note and the archive, for one run or for several."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal
from uuid import uuid4

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

OPEN = "tags"  # key of the popover; whether it is open
_SHOWN = "tags-shown"


@dataclass(frozen=True)
class Shown:
    """What the form said when it was opened.

    Changes are counted from here: what somebody else has said meanwhile was never seen,
    and stays.

    Args:
        said: By the id of each run.
        token: Part of the keys of the form's fields, so that each opening begins anew.
    """

    said: Mapping[str, Annotations]
    token: str = field(default_factory=lambda: uuid4().hex)

    @property
    def common(self) -> set[str]:
        """Tags that all of them have."""
        return set.intersection(*(set(each.tags) for each in self.said.values()))

    @property
    def all(self) -> set[str]:
        """Tags that one of them has."""
        return {tag for each in self.said.values() for tag in each.tags}

    @property
    def note(self) -> str | None:
        """The note of a single run, None of several."""
        notes = [each.note for each in self.said.values()]
        return notes[0] if len(notes) == 1 else None


def annotate(chosen: Sequence[Summary], *, quiet: bool = False) -> None:
    """Show the form for tags and note, and the button of the archive.

    Args:
        chosen: The runs.
        quiet: Whether the two look like text and not like buttons.
    """
    off = not chosen or not access.may_edit()
    kind: Literal["tertiary", "secondary"] = "tertiary" if quiet else "secondary"
    box = st.popover(
        "Tags", icon=":material/label:", disabled=off, key=OPEN, on_change="rerun",
        type=kind,
    )  # fmt: skip
    if box.open and not off:
        with box:
            _form(chosen, _shown(chosen))
    else:
        st.session_state.pop(_SHOWN, None)
    away = bool(chosen) and all(view.annotations.archived for view in chosen)
    if st.button(
        "Unarchive" if away else "Archive",
        icon=":material/unarchive:" if away else ":material/archive:",
        key="archive", disabled=off, type=kind,
        help="Archived runs stay as they are; the list leaves them out.",
    ):  # fmt: skip
        attempt(partial(put_away, view.run, not away) for view in chosen)


def _shown(chosen: Sequence[Summary]) -> Shown:
    """What this session's form showed first of these runs."""
    known = st.session_state.get(_SHOWN)
    if not isinstance(known, Shown) or set(known.said) != {v.run.id for v in chosen}:
        known = Shown({view.run.id: view.annotations for view in chosen})
        st.session_state[_SHOWN] = known
    return known


def _form(chosen: Sequence[Summary], shown: Shown) -> None:
    """Edit one run's tags and note, or the tags of several."""
    one = shown.note is not None
    with st.form(f"annotate-{shown.token}", border=False):
        tags = st.multiselect(
            "Tags" if one else f"Tags of {counted(len(chosen), 'run')}",
            sorted(shown.all), default=sorted(shown.common),
            key=f"tags-{shown.token}", accept_new_options=True,
            placeholder="Type a word and press Enter", max_selections=MAX_TAGS,
            width=360, help=None if one else "Those that all of them have; what is "
            "added or removed here is added to or removed from each.",
        )  # fmt: skip
        note = shown.note
        if one:
            note = st.text_area(
                "Note", shown.note, key=f"note-{shown.token}", max_chars=MAX_NOTE,
                height=120, placeholder="What this run was for, and what came of it",
            )  # fmt: skip
        if st.form_submit_button("Save", type="primary", key=f"save-{shown.token}"):
            _save(chosen, shown, set(tags), note)


def _save(
    chosen: Sequence[Summary], shown: Shown, tags: set[str], note: str | None
) -> None:
    """Write what differs from what the form showed."""
    changed = note if note != shown.note else None
    del st.session_state[_SHOWN]  # the form begins anew where all went well
    attempt(
        partial(say, view.run, tags - shown.common, shown.common - tags, changed)
        for view in chosen
    )
    st.session_state[_SHOWN] = shown


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
