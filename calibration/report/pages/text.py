"""Lines of text: how wide they are, and where they break."""

from functools import lru_cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

from calibration.report.formats import shortened, unbroken

FAMILY = "DejaVu Sans"  # comes with matplotlib: the same pages on every machine
_MEASURED = 100.0  # size at which characters are measured
_UNKNOWN = "\N{WHITE SQUARE}"


@lru_cache(maxsize=2)
def _path(bold: bool) -> str:
    weight = "bold" if bold else "normal"
    return str(findfont(FontProperties(family=FAMILY, weight=weight)))


@lru_cache(maxsize=10_000)
def _advance(character: str, bold: bool) -> float:
    """How far a character moves the next one, in font sizes."""
    font = get_font(_path(bold))
    font.set_size(_MEASURED, 72)
    glyph = font.load_char(ord(character), flags=LoadFlags.NO_HINTING)
    return float(glyph.linearHoriAdvance) / 65536 / _MEASURED


def width_of(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of printable text, in points; kerning is left out."""
    return size * sum(_advance(character, bold) for character in text)


@lru_cache(maxsize=20_000)
def printable(text: str) -> str:
    """A text without what the font has no shape for, such as Chinese characters."""
    font = get_font(_path(False))
    clean = " ".join(text.split(" ")).replace("\n", " ").replace("\t", " ")
    return "".join(c if font.get_char_index(ord(c)) else _UNKNOWN for c in clean)


def wrapped(text: str, size: float, room: float, bold: bool = False) -> list[str]:
    """Break a text into lines.

    Args:
        text: Any text.
        size: Of the font, in points.
        room: Width of a line, in points.
        bold: Whether it is drawn bold.

    Returns:
        Lines no wider than the room; at least one. Words that are wider are cut.
    """
    lines, line = [], ""
    for word in unbroken(printable(text)).split(" "):
        longer = f"{line} {word}" if line else word
        if width_of(longer, size, bold) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _cut(word, size, room, bold)
        lines += whole
    return [*lines, line]


def fitted(text: str, size: float, room: float, bold: bool = False) -> str:
    """A printable text on one line, with its middle left out where it is too wide."""
    text = printable(text)
    length = len(text)
    while length > 1 and width_of(shortened(text, length), size, bold) > room:
        length -= 1
    return shortened(text, length)


def _cut(word: str, size: float, room: float, bold: bool) -> list[str]:
    """Pieces of a word, each as long as fits."""
    pieces, piece = [], ""
    for character in word:
        if piece and width_of(piece + character, size, bold) > room:
            pieces.append(piece)
            piece = ""
        piece += character
    return [*pieces, piece]
