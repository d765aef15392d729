"""Tables on pages: columns as wide as they must be, the head again on each page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calibration.report.colors import LIGHT
from calibration.report.document import Cell, Column, Table
from calibration.report.pages.sheet import LEADING, LEFT, ROOM, Sheets
from calibration.report.pages.text import fitted, printable, width_of, wrapped

SIZES = (8.0, 7.2, 6.4, 5.6, 4.8)
_PAD = 4.0  # left and right of a cell
_MARK = 9.0  # a column's colour, left of its head
_SMALL = 0.84  # size of a detail, against its text's
_MAX_WORDS = 150.0  # a column of words wants no more than that
_MAX_HEAD = 44.0  # a head makes no column wider than that: numbers are to be read
_SHORT = 8  # rows
_HEAT = 0.7  # of the darkest background


@dataclass(frozen=True)
class _Line:
    """A line of a cell, with small print behind it."""

    text: str
    detail: str
    bold: bool


@dataclass(frozen=True)
class _Grid:
    """How a table is set.

    Args:
        size: Of the font, in points.
        widths: Of the columns.
        marks: Room left for the columns' colours.
        beside: Whether a column has its details beside the numbers, all of them.
    """

    size: float
    widths: list[float]
    marks: list[float]
    beside: list[bool]

    def room(self, column: int) -> float:
        """The width of a column's text."""
        return self.widths[column] - 2 * _PAD - self.marks[column]

    def lines(self, cell: Cell, column: int, bold: bool = False) -> list[_Line]:
        """A cell's text, its detail in the last line if there is room."""
        size = self.size
        room = self.room(column)
        strong = cell.strong or bold
        texts = wrapped(cell.text, size, room, strong)
        lines = [_Line(text, "", strong) for text in texts]
        if not cell.detail:
            return lines
        details = wrapped(cell.detail, size * _SMALL, room)
        inline = _inline(replace(cell, text=texts[-1], strong=strong), size)
        beside = self.beside[column] and not bold
        if beside and len(details) == 1 and inline <= room:
            lines[-1] = _Line(texts[-1], details[0], strong)
            return lines
        return lines + [_Line("", detail, False) for detail in details]


def draw_table(sheets: Sheets, table: Table) -> None:
    """Draw a table, over several pages if need be.

    Args:
        sheets: The pages.
        table: The table.
    """
    grid = _fit(table)
    head = _titles(grid, table)
    sheets.need(_least(grid, table))
    sheets.skip(8)
    sheets.paragraph(table.caption, 9, bold=True)
    sheets.y += 2
    _head(sheets, grid, table.columns, head)
    for row in table.rows:
        if sheets.need(_height(grid, row)):
            sheets.paragraph(f"{table.caption} (continued)", 9, bold=True)
            sheets.y += 2
            _head(sheets, grid, table.columns, head)
        _row(sheets, grid, table.columns, row)
    if table.note:
        sheets.y += 3
        sheets.paragraph(table.note, 7.2, color="muted")
    sheets.y += 8


def least_height(table: Table) -> float:
    """The height of a table's caption, head and first rows, in points."""
    return _least(_fit(table), table)


def _least(grid: _Grid, table: Table) -> float:
    # A short table stays in one piece.
    rows = table.rows if len(table.rows) <= _SHORT else table.rows[:2]
    first = sum(_height(grid, row) for row in rows)
    return 26 + _height(grid, _titles(grid, table), bold=True) + first


def _titles(grid: _Grid, table: Table) -> list[Cell]:
    """The head; a name longer than its column loses its middle."""
    cells = []
    for index, column in enumerate(table.columns):
        text, room = column.text, grid.room(index)
        if not column.words and _longest_word(text, grid.size, bold=True) > room:
            text = fitted(text, grid.size, 2 * room - grid.size, bold=True)
        cells.append(Cell(text=text, detail=column.note))
    return cells


def _fit(table: Table) -> _Grid:
    """The largest font in which the table is no wider than the page."""
    for size in SIZES:
        wants = _wishes(table, size)
        least, natural = (sum(each) for each in zip(*wants, strict=True))
        if least <= ROOM or size == SIZES[-1]:
            break
    marks = [_mark(column) for column in table.columns]
    if natural <= ROOM:
        share = (ROOM - natural) / len(wants)
        return _set(table, size, [want + share for _, want in wants], marks)
    # What is left beyond the least goes to those who want more; never below the least
    # unless even that does not fit, when all shrink and words are cut.
    spare = max(0.0, ROOM - least) / max(1e-9, natural - least)
    scale = min(1.0, ROOM / least)
    widths = [scale * (low + spare * (high - low)) for low, high in wants]
    return _set(table, size, widths, marks)


def _set(table: Table, size: float, widths: list[float], marks: list[float]) -> _Grid:
    """The grid; one number whose interval must stand below takes all along."""
    beside = [index == 0 for index in range(len(widths))]
    for index in range(1, len(widths)):
        room = widths[index] - 2 * _PAD - marks[index] + 0.01
        cells = [row[index] for row in table.rows if row[index].detail]
        beside[index] = all(_inline(cell, size) <= room for cell in cells)
    return _Grid(size, widths, marks, beside)


def _inline(cell: Cell, size: float) -> float:
    """The width of a cell's text and detail beside one another."""
    text = width_of(printable(f"{cell.text} "), size, cell.strong)
    return text + width_of(printable(cell.detail), size * _SMALL)


def _wishes(table: Table, size: float) -> list[tuple[float, float]]:
    """The least and the natural width of each column."""
    first, *others = (_wants(table, i, size) for i in range(len(table.columns)))
    if table.even and others:
        least, natural = (max(each) for each in zip(*others, strict=True))
        others = [(least, natural)] * len(others)
    return [first, *others]


def _wants(table: Table, index: int, size: float) -> tuple[float, float]:
    """The least width of a column, and the one at which nothing breaks."""
    column = table.columns[index]
    least = _longest_word(column.note, size * _SMALL)
    natural = min(width_of(printable(column.text), size, True), 90.0)
    for row in table.rows:
        cell = row[index]
        text = width_of(printable(cell.text), size, cell.strong)
        detail = width_of(printable(cell.detail), size * _SMALL) if cell.detail else 0.0
        space = width_of(" ", size) if cell.detail else 0.0
        natural = max(natural, text + space + detail)
        if index == 0 or column.words:
            text = _longest_word(cell.text, size, bold=cell.strong)
            detail = _longest_word(cell.detail, size * _SMALL)
        least = max(least, text, detail)
    head = _longest_word(column.text, size, bold=True)
    least = max(least, min(head, max(least, _MAX_HEAD)))
    if index == 0 or column.words:
        least, natural = min(least, _MAX_WORDS), min(natural, 1.6 * _MAX_WORDS)
    beside = 2 * _PAD + _mark(column)
    return least + beside, max(least, natural) + beside


def _mark(column: Column) -> float:
    return _MARK if column.color else 0.0


def _longest_word(text: str, size: float, bold: bool = False) -> float:
    words = printable(text).split(" ")
    return max(width_of(word, size, bold) for word in words)


def _height(grid: _Grid, row: Sequence[Cell], bold: bool = False) -> float:
    lines = [len(grid.lines(cell, i, bold)) for i, cell in enumerate(row)]
    return max(lines) * grid.size * LEADING + 4


def _head(
    sheets: Sheets, grid: _Grid, columns: Sequence[Column], head: Sequence[Cell]
) -> None:
    height = _height(grid, head, bold=True)
    x = LEFT
    for index, (column, cell) in enumerate(zip(columns, head, strict=True)):
        lines = grid.lines(cell, index, bold=True)
        # Heads stand on the line below them.
        top = sheets.y + height - 4 - len(lines) * grid.size * LEADING
        start = _lines(sheets, grid, lines, x, top, index, column)
        if column.color:
            sheets.box(start - _MARK, top + 2.5, 6, 6, facecolor=LIGHT[column.color])
        x += grid.widths[index]
    sheets.y += height - 1
    sheets.rule(LEFT, sheets.y, ROOM, "muted", 0.8)
    sheets.y += 2


def _row(
    sheets: Sheets, grid: _Grid, columns: Sequence[Column], row: Sequence[Cell]
) -> None:
    height = _height(grid, row)
    x = LEFT
    for index, (column, cell) in enumerate(zip(columns, row, strict=True)):
        if cell.shade is not None:
            sheets.box(
                x, sheets.y - 2, grid.widths[index], height, facecolor=LIGHT["heat"],
                alpha=_HEAT * cell.shade,
            )  # fmt: skip
        lines = grid.lines(cell, index)
        _lines(sheets, grid, lines, x, sheets.y, index, column)
        x += grid.widths[index]
    sheets.y += height
    sheets.rule(LEFT, sheets.y - 2, ROOM, "line", 0.5)


def _lines(
    sheets: Sheets,
    grid: _Grid,
    lines: Sequence[_Line],
    x: float,
    top: float,
    index: int,
    column: Column,
) -> float:
    """Write a cell's lines; returns where the first of them begins."""
    size, small = grid.size, grid.size * _SMALL
    left = index == 0 or column.words
    starts = []
    for number, line in enumerate(lines):
        y = top + number * size * LEADING
        text = width_of(line.text, size, line.bold) if line.text else 0.0
        gap = width_of(" ", size) if line.text and line.detail else 0.0
        detail = width_of(line.detail, small) if line.detail else 0.0
        start = x + _PAD + grid.marks[index]
        if not left:
            start = x + grid.widths[index] - _PAD - text - gap - detail
        if line.text:
            sheets.write(start, y, line.text, size, bold=line.bold)
        if line.detail:
            drop = size - small
            sheets.write(
                start + text + gap, y + drop, line.detail, small, color="muted"
            )
        starts.append(start)
    return starts[0]
