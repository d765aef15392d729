"""A report as a document: sections of paragraphs, tables, charts and pictures.

Both renderers, HTML and matplotlib's pages, show this and nothing else: they cannot
differ in what they say. All text is plain; a renderer escapes what its format asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from calibration.report.chart import Chart


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading inside a section; `color` is the role of the model it is about."""

    text: str
    note: str = ""
    color: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; a quiet one is small print."""

    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences; where `lead` is set, the first carries the message."""

    items: Sequence[str]
    lead: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Args:
        text: What it says.
        detail: Small print behind it, such as an interval.
        strong: Whether it stands out.
        shade: Depth of its background, 0 to 1; None for none.
    """

    text: str
    detail: str = ""
    strong: bool = False
    shade: float | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """The head of a column; columns are of numbers unless `words` is set."""

    text: str
    note: str = ""
    color: str = ""
    words: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row is the row's heading.

    Args:
        caption: What it shows.
        columns: Their heads.
        rows: A cell for each column.
        note: Below it.
        even: Whether all columns but the first are of one width, whatever they hold.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    even: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart with its title, its caption, and what it shows in a sentence."""

    chart: Chart
    alt: str
    title: str = ""
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures side by side, as many a row as there is room for, `columns` at most."""

    items: Sequence[Figure]
    columns: int = 1
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One example: its picture (PNG in base64, or "") and what there is to say."""

    image: str
    alt: str
    title: str
    facts: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Cards:
    """Examples side by side."""

    items: Sequence[Card]


@dataclass(frozen=True, kw_only=True)
class Term:
    """A measure, what it is, and where it comes from."""

    title: str
    sentence: str
    reference: str


@dataclass(frozen=True)
class Terms:
    """A list of measures."""

    items: Sequence[Term]


Block = Heading | Text | Bullets | Table | Figures | Cards | Terms


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report with an entry in its table of contents."""

    slug: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Document:
    """The whole.

    Args:
        title: Its heading.
        subtitle: Line below, such as the date.
        facts: Blocks of the title page.
        sections: All of them, in order.
        kind: What it is, above its heading.
    """

    title: str
    subtitle: str
    facts: Sequence[Block]
    sections: Sequence[Section]
    kind: str = "Calibration and uncertainty report"
