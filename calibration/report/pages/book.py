"""A whole document as PDF, by matplotlib alone: no browser is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import matplotlib
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from calibration.report.document import Document, Section
from calibration.report.pages.blocks import beginning, draw_blocks
from calibration.report.pages.sheet import HEIGHT, LEFT, ROOM, TOP, WIDTH, Sheets
from calibration.report.pages.text import fitted

RENDERER = f"matplotlib {matplotlib.__version__}"


def write_pages(document: Document, file: Path | BinaryIO) -> int:
    """Write a document as PDF.

    Args:
        document: The document.
        file: Where to write the PDF.

    Returns:
        The number of pages.
    """
    with _own_settings():
        pages = draw_pages(document)
        metadata = {"Title": document.title, "Creator": "VOGN App"}
        with PdfPages(file, metadata=metadata | {"CreationDate": None}) as pdf:
            for page in pages:
                pdf.savefig(page)
    return len(pages)


def draw_pages(document: Document) -> list[Figure]:
    """Draw a document on A4 pages, all with their numbers."""
    with _own_settings():
        sheets = _draw(document)
        _number(sheets, document.title)
    return sheets.pages


@contextmanager
def _own_settings() -> Iterator[None]:
    # The reader's own settings (LaTeX, other fonts) must not change the layout.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def _draw(document: Document) -> Sheets:
    sheets = Sheets()
    sheets.paragraph("Calibration and uncertainty report", 8, color="link", bold=True)
    sheets.paragraph(document.title, 20, bold=True)
    sheets.y += 2
    subtitle = f"{document.subtitle} · PDF by {RENDERER}"
    sheets.paragraph(subtitle, 8.5, color="muted")
    sheets.y += 10
    draw_blocks(sheets, document.facts)
    for section in document.sections:
        _section(sheets, section)
    return sheets


def _section(sheets: Sheets, section: Section) -> None:
    sheets.need(60 + beginning(section.blocks))
    if sheets.y > TOP:
        sheets.skip(10)
        sheets.rule(LEFT, sheets.y, ROOM, "line", 0.7)
        sheets.skip(12)
    sheets.paragraph(section.title, 15, bold=True)
    sheets.y += 5
    draw_blocks(sheets, section.blocks)


def _number(sheets: Sheets, title: str) -> None:
    """Write each page's footer, now that the number of pages is known."""
    pages = sheets.pages
    for number, page in enumerate(pages, start=1):
        sheets.pages = [page]
        top = HEIGHT - 36
        text = fitted(title, 7, 0.8 * ROOM)
        sheets.write(LEFT, top, text, 7, color="muted")
        count = f"{number} / {len(pages)}"
        sheets.write(WIDTH - LEFT, top, count, 7, color="muted", align="right")
    sheets.pages = pages
