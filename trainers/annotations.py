"""What people say of a run: tags, a note, and whether it is put away.

They stand in `annotations.json` of the run's folder, apart from what the trainer
writes, so nothing that trains, resumes or measures minds them. The file is replaced
atomically: of two people who write at once the last one wins. Torch-free.
"""

import reprlib
from dataclasses import asdict, dataclass
from typing import Any, Self

from trainers.checks import check_switch
from trainers.runs import Run, RunError, is_there, read_json, write_json

SCHEMA = 1
MAX_TAGS = 20  # of one run
MAX_TAG = 40  # characters
MAX_NOTE = 2000  # characters
_BREAKS = str.maketrans("", "", "\n\t")  # what a note may hold besides the printable


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """Tags, a note, and whether the run is archived.

    Args:
        tags: Short words, each once; those given are trimmed and sorted.
        note: Text of some lines, "" for none.
        archived: Whether lists leave the run out until they are asked for it.
    """

    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", _checked_tags(self.tags))
        object.__setattr__(self, "note", _checked_note(self.note))
        check_switch("archived", self.archived)

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Build them from decoded JSON.

        Raises:
            ValueError: If it is no object of this schema, or a value is not allowed.
        """
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            told = reprlib.repr(content)
            raise ValueError(f"annotations must have schema {SCHEMA}, got {told}.")
        tags = content.get("tags", [])
        if not isinstance(tags, list):
            raise ValueError(f"tags must be a list, got {reprlib.repr(tags)}.")
        return cls(
            tags=tuple(tags),
            note=content.get("note", ""),
            archived=content.get("archived", False),
        )


def read_annotations(run: Run) -> Annotations:
    """What was said of a run, nothing where there is no file.

    Raises:
        RunError: If the file is damaged; the message names it.
    """
    if not is_there(run.annotations):
        return NONE
    try:
        return Annotations.from_dict(read_json(run.annotations))
    except ValueError as error:
        raise RunError(f"{run.annotations} cannot be used: {error}") from None


def write_annotations(run: Run, annotations: Annotations) -> None:
    """Say it of a run, in the place of what was said before.

    Raises:
        RunError: If the run's folder is gone or cannot be written.
    """
    content = {"schema": SCHEMA, **asdict(annotations)}
    try:
        write_json(run.annotations, content)
    except OSError as error:
        raise RunError(f"{run.annotations} cannot be written: {error}") from None


def _checked_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    for tag in tags:
        text = isinstance(tag, str) and tag.isprintable()
        if not text or not 1 <= len(tag.strip()) <= MAX_TAG or "," in tag:
            raise ValueError(
                f"tag must be 1 to {MAX_TAG} printable characters without a comma, "
                f"got {reprlib.repr(tag)}."
            )
    kept = tuple(sorted({tag.strip() for tag in tags}))
    if len(kept) > MAX_TAGS:
        raise ValueError(f"tags must be at most {MAX_TAGS}, got {len(kept)}.")
    return kept


def _checked_note(note: str) -> str:
    if not isinstance(note, str) or not note.translate(_BREAKS).isprintable():
        raise ValueError(f"note must be printable text, got {reprlib.repr(note)}.")
    trimmed = note.strip()
    if len(trimmed) > MAX_NOTE:
        raise ValueError(
            f"note must be at most {MAX_NOTE} characters, got {len(trimmed)}."
        )
    return trimmed


NONE = Annotations()
