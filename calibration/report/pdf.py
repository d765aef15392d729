"""The report as PDF: printed by a Chromium where there is one, else by matplotlib."""

import io
import logging

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


def render_pdf(report: ReportData, timeout: float = TIMEOUT) -> tuple[bytes, str]:
    """Render a report as PDF.

    Both ways have the same sections, tables and figures, and the document says which
    way it came.

    Args:
        report: The report.
        timeout: Seconds after which Chromium is given up.

    Returns:
        The file's content, and what made it: name and version of the browser or of
        matplotlib.
    """
    browser = find_chromium()
    if browser is not None:
        try:
            renderer = chromium_version(browser)
            page = render_html(report, printed_by=renderer)
            return print_page(browser, page, timeout), renderer
        except ChromiumError as error:
            _log.warning("%s: %s; matplotlib draws the PDF.", browser, error)
    return _drawn(report)


def _drawn(report: ReportData) -> tuple[bytes, str]:
    # Imported late: the report's other formats do without matplotlib.
    from calibration.report.pages.book import RENDERER, write_pages

    buffer = io.BytesIO()
    write_pages(to_document(report), buffer)
    return buffer.getvalue(), RENDERER
