"""Cards of single examples on pages, each with its picture."""

import base64
import io
from collections.abc import Sequence

from matplotlib.image import imread

from calibration.report.colors import LIGHT
from calibration.report.document import Card, Cards
from calibration.report.pages.sheet import LEADING, LEFT, ROOM, Sheets
from calibration.report.pages.text import printable, width_of, wrapped

_SIZE = 6.4
_PAD = 7.0
_IN_A_ROW = 4
_PICTURE = 52.0


def draw_cards(sheets: Sheets, block: Cards) -> None:
    """Draw cards at the cursor, on a new page where a row does not fit."""
    gap = 7.0
    width = (ROOM - gap * (_IN_A_ROW - 1)) / _IN_A_ROW
    for start in range(0, len(block.items), _IN_A_ROW):
        row = block.items[start : start + _IN_A_ROW]
        texts = [_card_lines(card, width - 2 * _PAD) for card in row]
        height = 2 * _PAD + _PICTURE + 16 + max(len(t) for t in texts) * _SIZE * LEADING
        sheets.need(height)
        for index, (card, lines) in enumerate(zip(row, texts, strict=True)):
            x = LEFT + index * (width + gap)
            sheets.box(
                x, sheets.y, width, height, fill=False, linewidth=0.6,
                edgecolor=LIGHT["line"],
            )  # fmt: skip
            _card(sheets, card, lines, x, width)
        sheets.y += height + gap
    sheets.y += 2


def _card_lines(card: Card, room: float) -> list[tuple[str, str]]:
    """What stands left and right in each line of a card."""
    lines: list[tuple[str, str]] = []
    for name, value in card.facts.items():
        values = wrapped(value, _SIZE, room)
        together = width_of(printable(name), _SIZE) + width_of(values[0], _SIZE) + 3
        if len(values) == 1 and together <= room:
            lines.append((printable(name), values[0]))
        else:
            lines += [(printable(name), ""), *(("", value) for value in values)]
    return lines


def _card(
    sheets: Sheets, card: Card, lines: Sequence[tuple[str, str]], x: float, width: float
) -> None:
    top = sheets.y + _PAD
    _picture(sheets, card.image, x + (width - _PICTURE) / 2, top)
    top += _PICTURE + 4
    sheets.write(x + _PAD, top, printable(card.title), 7.4, bold=True)
    top += 12
    for name, value in lines:
        sheets.write(x + _PAD, top, name, _SIZE, color="muted")
        sheets.write(x + width - _PAD, top, value, _SIZE, align="right")
        top += _SIZE * LEADING


def _picture(sheets: Sheets, image: str, x: float, top: float) -> None:
    try:
        pixels = imread(io.BytesIO(base64.b64decode(image)), format="png")
    except (ValueError, OSError, SyntaxError):  # none, or one that cannot be read
        sheets.box(x, top, _PICTURE, _PICTURE, facecolor=LIGHT["soft"])
        middle = x + _PICTURE / 2
        text = "no picture"
        sheets.write(
            middle, top + _PICTURE / 2 - 5, text, 6.4, color="muted", align="center"
        )
        return
    axes = sheets.axes(x, top, _PICTURE, _PICTURE)
    axes.imshow(pixels, cmap="gray", interpolation="nearest")
    axes.set_axis_off()
