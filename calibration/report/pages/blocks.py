"""All other blocks on pages: headings, paragraphs, figures, definitions."""

from collections.abc import Sequence

from calibration.report.colors import LIGHT
from calibration.report.document import (
    Block,
    Bullets,
    Cards,
    Figure,
    Figures,
    Heading,
    Table,
    Terms,
    Text,
)
from calibration.report.pages.cards import draw_cards
from calibration.report.pages.charts import (
    LEGEND,
    draw_chart,
    draw_legend,
    legend_rows,
)
from calibration.report.pages.sheet import LEADING, LEFT, ROOM, Sheets
from calibration.report.pages.tables import draw_table, least_height
from calibration.report.pages.text import wrapped

BODY, SMALL, TINY = 9.0, 7.2, 6.8
_SCALE = 0.52  # of a chart's pixels to points: a page is smaller than a screen
_PAD = 7.0
_GAP = 8.0  # between figures


def draw_block(sheets: Sheets, block: Block) -> None:
    """Draw one block at the cursor, on a new page where it does not fit.

    Args:
        sheets: The pages.
        block: Any block of a document.
    """
    if isinstance(block, Heading):
        _heading(sheets, block)
    elif isinstance(block, Text):
        size, color = (SMALL, "muted") if block.quiet else (BODY, "ink")
        sheets.paragraph(block.text, size, color=color)
        sheets.y += 5
    elif isinstance(block, Bullets):
        _bullets(sheets, block)
    elif isinstance(block, Table):
        draw_table(sheets, block)
    elif isinstance(block, Figures):
        _figures(sheets, block)
    elif isinstance(block, Cards):
        draw_cards(sheets, block)
    else:
        _terms(sheets, block)


def draw_blocks(sheets: Sheets, blocks: Sequence[Block]) -> None:
    """Draw blocks; a heading or an introduction stays with what comes after it.

    Args:
        sheets: The pages.
        blocks: In order.
    """
    for index, block in enumerate(blocks):
        if isinstance(block, Heading | Text):
            sheets.need(beginning(blocks[index:]))
        draw_block(sheets, block)


def beginning(blocks: Sequence[Block]) -> float:
    """The height of the first blocks up to the first row of a figure or table."""
    height = 0.0
    for block in blocks:
        height += _least(block)
        if not isinstance(block, Heading | Text):
            break
    return height


def _least(block: Block) -> float:
    """The height of a block, or of as much of it as must stay in one piece."""
    if isinstance(block, Heading):
        return 32.0
    if isinstance(block, Text):
        return len(wrapped(block.text, BODY, ROOM)) * BODY * LEADING + 5
    if isinstance(block, Table):
        return least_height(block)
    if isinstance(block, Figures):
        width = _figure_width(block)
        row = block.items[: block.columns]
        note = 2 * BODY * LEADING if block.note else 0.0
        return note + max(_figure_height(i, width, block.columns) for i in row)
    return 130.0 if isinstance(block, Cards) else 40.0


def _heading(sheets: Sheets, block: Heading) -> None:
    sheets.skip(9)
    x = LEFT
    if block.color:
        sheets.box(x, sheets.y + 4, 7, 7, facecolor=LIGHT[block.color])
        x += 12
    text = f"{block.text}  ({block.note})" if block.note else block.text
    sheets.paragraph(text, 11, x=x, room=ROOM - (x - LEFT), bold=True)
    sheets.y += 3


def _bullets(sheets: Sheets, block: Bullets) -> None:
    for index, item in enumerate(block.items):
        if block.lead and index == 0:
            sheets.paragraph(item, 10)
        else:
            sheets.need(BODY * LEADING)
            sheets.write(LEFT + 3, sheets.y, "•", BODY, color="muted")
            sheets.paragraph(item, BODY, x=LEFT + 14, room=ROOM - 14)
        sheets.y += 2.5
    sheets.y += 4


def _terms(sheets: Sheets, block: Terms) -> None:
    split = 128.0
    for term in block.items:
        titles = wrapped(term.title, 8, split - 8, bold=True)
        lines = wrapped(term.sentence, 8, ROOM - split)
        reference = wrapped(term.reference, SMALL, ROOM - split)
        reference = reference if term.reference else []
        height = max(len(titles), len(lines) + len(reference)) * 8 * LEADING + 5
        sheets.need(height)
        for index, line in enumerate(titles):
            sheets.write(LEFT, sheets.y + index * 8 * LEADING, line, 8, bold=True)
        for index, line in enumerate([*lines, *reference]):
            y = sheets.y + index * 8 * LEADING
            quiet = index >= len(lines)
            size, color = (SMALL, "muted") if quiet else (8.0, "ink")
            sheets.write(LEFT + split, y, line, size, color=color)
        sheets.y += height
        sheets.rule(LEFT, sheets.y - 3, ROOM, "line", 0.5)
    sheets.y += 6


def _figures(sheets: Sheets, block: Figures) -> None:
    if block.note:
        sheets.paragraph(block.note, BODY)
    gap, width = _GAP, _figure_width(block)
    for start in range(0, len(block.items), block.columns):
        row = block.items[start : start + block.columns]
        height = max(_figure_height(item, width, block.columns) for item in row)
        sheets.need(height)
        top = sheets.y
        for index, item in enumerate(row):
            sheets.y = top
            x = LEFT + index * (width + gap)
            sheets.box(
                x, top, width, height, fill=False, linewidth=0.6,
                edgecolor=LIGHT["line"],
            )  # fmt: skip
            _figure(sheets, item, x, width, block.columns)
        sheets.y = top + height + gap
    sheets.y += 2


def _figure_width(block: Figures) -> float:
    columns = 1 if len(block.items) == 1 else block.columns
    return (ROOM - _GAP * (columns - 1)) / columns


def _parts(
    item: Figure, width: float, columns: int
) -> tuple[list[str], list[str], float]:
    """A figure's title and caption in lines, and the height of its chart."""
    room = width - 2 * _PAD
    size = 7.2 if columns >= 5 else 8.8
    title = wrapped(item.title, size, room, bold=True) if item.title else []
    told = "" if columns >= 5 else item.caption or item.alt
    caption = wrapped(told, TINY, room) if told else []
    return title, caption, item.chart.height * _SCALE


def _figure_height(item: Figure, width: float, columns: int) -> float:
    title, caption, chart = _parts(item, width, columns)
    legend = 0 if columns >= 5 else len(legend_rows(item.chart, width - 2 * _PAD))
    text = len(title) * 8.8 * LEADING + len(caption) * TINY * LEADING
    return 2 * _PAD + text + legend * LEGEND + chart + (4 if caption else 0)


def _figure(sheets: Sheets, item: Figure, x: float, width: float, columns: int) -> None:
    title, caption, height = _parts(item, width, columns)
    left, room = x + _PAD, width - 2 * _PAD
    sheets.y += _PAD
    for line in title:
        sheets.write(left, sheets.y, line, 7.2 if columns >= 5 else 8.8, bold=True)
        sheets.y += 8.8 * LEADING
    if columns < 5:
        draw_legend(sheets, item.chart, left, room)
    draw_chart(sheets, item.chart, left - 2, room + 4, height)
    sheets.y += height + 4
    for line in caption:
        sheets.write(left, sheets.y, line, TINY, color="muted")
        sheets.y += TINY * LEADING
