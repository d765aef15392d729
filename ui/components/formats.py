"""Numbers, times and foreign text, as people read them."""

import re
from typing import Any

MISSING = "-"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~$:&])")
# Addresses become links after Markdown was read, whatever was escaped.
_LINKED = re.compile(
    r"(?<=www)(?=\.)|(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=\S)(?=@\S)",
    re.IGNORECASE,
)
_JOINER = "\u2060"  # takes no room, and nothing is a link across it


def percent(value: Any, digits: int = 1) -> str:
    """A fraction as a percentage, `0.9724` -> `97.2 %`."""
    return f"{100 * value:.{digits}f} %" if number(value) else MISSING


def decimal(value: Any, digits: int = 3) -> str:
    """A number with a fixed count of decimals."""
    return f"{value:.{digits}f}" if number(value) else MISSING


def compact(value: Any) -> str:
    """A number with three significant digits, however small or large."""
    return f"{value:.3g}" if number(value) else MISSING


def count(value: int) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """A number of things, `2, "run"` -> `2 runs`."""
    return f"{count(value)} {noun}{'s' if value != 1 else ''}"


def duration(seconds: float) -> str:
    """A span of time in its two largest units, `200` -> `3 min 20 s`."""
    total = max(0, round(seconds))
    minutes, rest = divmod(total, 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left:02d} min"
    if minutes:
        return f"{minutes} min {rest:02d} s"
    return f"{rest} s"


def age(seconds: float) -> str:
    """How long ago something happened, in its largest unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def words(name: str) -> str:
    """A name of the code as a label, `batch_size` -> `Batch size`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def plain(text: str) -> str:
    """Escape a text that is not ours, so that Markdown shows it as it stands."""
    return escaped(_LINKED.sub(_JOINER, text))


def escaped(text: str) -> str:
    """The same where an address in it may be a link, such as that of who looks."""
    return _MARKDOWN.sub(r"\\\1", text)


def number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and value - value == 0
