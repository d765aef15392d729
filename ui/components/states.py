"""How the state of a run looks: word, colour, symbol."""

from dataclasses import dataclass
from typing import Literal

from trainers import status

DAMAGED = "damaged"  # what a folder is whose files cannot be read


@dataclass(frozen=True)
class Look:
    """A state for the eye; the word and the symbol say it without the colour."""

    label: str
    color: Literal["red", "orange", "blue", "green", "violet", "gray"]
    icon: str


LOOKS = {
    status.QUEUED: Look("Queued", "gray", ":material/hourglass_empty:"),
    status.STARTING: Look("Starting", "blue", ":material/hourglass_top:"),
    status.RUNNING: Look("Running", "blue", ":material/play_arrow:"),
    status.STOPPING: Look("Stopping", "orange", ":material/pending:"),
    status.FINISHED: Look("Finished", "green", ":material/check_circle:"),
    status.STOPPED: Look("Stopped", "gray", ":material/stop_circle:"),
    status.FAILED: Look("Failed", "red", ":material/error:"),
    status.LOST: Look("Lost", "violet", ":material/help:"),
    DAMAGED: Look("Damaged", "orange", ":material/broken_image:"),
}
QUEUED_COLOR = LOOKS[status.QUEUED].color


def state_label(state: str, position: int | None = None) -> str:
    """A state in a word, with the place of a run that waits for its turn."""
    place = f" #{position}" if position is not None else ""
    return LOOKS[state].label + place


def badge(state: str, position: int | None = None) -> str:
    """The same as a coloured badge, in Markdown."""
    look = LOOKS[state]
    return f":{look.color}-badge[{look.icon} {state_label(state, position)}]"
