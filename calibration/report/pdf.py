"""The report as PDF: printed by a Chromium where there is one, else by matplotlib."""

import io
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from calibration.definitions import Definition
from calibration.report.chromium import (
    ChromiumError,
    chromium_version,
    find_chromium,
    print_page,
)
from calibration.report.data import ReportData
from calibration.report.html import render_html
from calibration.report.sections.whole import to_document

TIMEOUT = 60.0  # seconds for Chromium; it needs about five
_log = logging.getLogger(__name__)


def write_pdf(
    report: ReportData,
    definitions: Mapping[str, Definition],
    path: Path,
    timeout: float = TIMEOUT,
) -> str:
    """Write a report as PDF.

    Both ways have the same sections, tables and figures, and the document says which
    way it came. An older file is replaced only by a whole new one.

    Args:
        report: The report.
        definitions: Each measure's definition by its name.
        path: Where to.
        timeout: Seconds after which Chromium is given up.

    Returns:
        What made it: name and version of the browser or of matplotlib.
    """
    browser = find_chromium()
    if browser is not None:
        try:
            renderer = chromium_version(browser)
            page = render_html(report, definitions, printed_by=renderer)
            content = print_page(browser, page, timeout)
        except ChromiumError as error:
            _log.warning("%s: %s; matplotlib draws the PDF.", browser, error)
        else:
            _replace(path, content)
            return renderer
    content, renderer = _drawn(report, definitions)
    _replace(path, content)
    return renderer


def _drawn(
    report: ReportData, definitions: Mapping[str, Definition]
) -> tuple[bytes, str]:
    # Imported late: the report's other formats do without matplotlib.
    from calibration.report.pages.book import RENDERER, write_pages

    buffer = io.BytesIO()
    write_pages(to_document(report, definitions), buffer)
    return buffer.getvalue(), RENDERER


def _replace(path: Path, content: bytes) -> None:
    """Put a file in its place in one step, or leave all as it was."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)  # mkstemp's own is for the owner alone
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
