"""The report as one HTML file that opens anywhere, without a network.

Style, script and plotly.js are inside the file, the latter once for all figures. Every
text of the data is escaped where it stands: by Jinja2 in tags, by `script_json` in
the figures' data, by `css_string` in the page footer of print.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from calibration.report.chart import Chart, Line, Mark, legend_of
from calibration.report.colors import DARK, LIGHT, SYMBOLS
from calibration.report.data import ReportData
from calibration.report.document import Document, Table
from calibration.report.formats import shortened, unbroken
from calibration.report.plotly_charts import plotly_figure
from calibration.report.sections.whole import to_document

PAPER = 100  # characters that a row of a table has room for
MEASURE = 30  # characters after which the name of a row breaks
FOOTER = 80  # characters of the title: more would take a second line from the text
TEMPLATES = Path(__file__).with_name("templates")


def render_html(report: ReportData, printed_by: str = "") -> str:
    """Render a report as a page.

    Args:
        report: The report.
        printed_by: What is going to print the page, such as "Chromium 149"; the page
            then names it and is laid out for A4. "" for a page to be read on screen.

    Returns:
        The whole file.
    """
    return render_document(to_document(report), printed_by)


def render_document(document: Document, printed_by: str = "") -> str:
    """Render a document as a page; see `render_html`."""
    from plotly.offline import get_plotlyjs  # imported late: the package is large

    environment = _environment()
    figures: list[dict[str, Any]] = []

    def draw(chart: Chart) -> int:
        """Keep a chart for the script; returns the number it finds it by."""
        figures.append(plotly_figure(chart))
        return len(figures) - 1

    body = environment.get_template("body.html.j2").render(
        document=document, draw=draw, printed_by=printed_by
    )
    return environment.get_template("report.html.j2").render(
        title=document.title,
        body=Markup(body),  # noqa: S704, it comes from a template that escapes
        printed_by=printed_by,
        style=Markup(_style(document)),  # noqa: S704, ours, see css_string
        script=Markup(_read("report.js")),  # noqa: S704, ours
        plotly=Markup(get_plotlyjs()),  # noqa: S704, plotly's own
        charts=Markup(script_json(figures)),  # noqa: S704, see script_json
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_kept,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[[Any], Any]] = {
        "kind": lambda block: type(block).__name__,
        "stacked": _stacked,
        "legend": lambda chart: [_entry(mark) for mark in legend_of(chart)],
    }
    environment.filters |= filters
    return environment


def script_json(value: Any) -> str:
    """JSON that may stand inside a script tag: nothing in it can end the tag."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def css_string(text: str) -> str:
    """A text as a string of CSS, all but plain letters and digits written as codes."""
    plain = "".join(
        each if each.isascii() and each.isalnum() else f"\\{ord(each):06x}"
        for each in text
    )
    return f'"{plain}"'


def _kept(value: Any) -> Any:
    """What a template shows of a value; what is markup already stays so."""
    return unbroken(value) if type(value) is str else value


def _stacked(table: Table) -> bool:
    """Whether intervals beside their numbers would be wider than a page of paper."""
    wide = [
        max((len(row[i].text) + len(row[i].detail) for row in table.rows), default=0)
        for i in range(len(table.columns))
    ]
    heads = [max(map(len, column.text.split()), default=0) for column in table.columns]
    rest = sum(max(each) for each in zip(wide[1:], heads[1:], strict=True))
    return min(wide[0], MEASURE) + rest > PAPER


def _entry(mark: Mark) -> dict[str, str]:
    """What the legend shows of a mark: a name, a colour, a line or a box."""
    symbol = mark.symbol if isinstance(mark, Line) else ""
    return {
        "name": mark.name,
        "color": mark.color,
        "dash": mark.dash if isinstance(mark, Line) else "box",
        "symbol": SYMBOLS[symbol][1] if symbol else "",
    }


def _style(document: Document) -> str:
    """The style sheet, with the colours of both themes and the footer of print."""
    light, dark = (
        " ".join(f"--{role}: {color};" for role, color in colors.items())
        for colors in (LIGHT, DARK)
    )
    footer = css_string(shortened(document.title, FOOTER))
    themes = (
        f":root {{ color-scheme: light; {light} }}\n"
        "@media screen and (prefers-color-scheme: dark) { "
        f":root:not(.paper) {{ color-scheme: dark; {dark} }} }}\n"
        f"@page {{ @bottom-left {{ content: {footer}; }} }}\n"
    )
    return themes + _read("style.css")


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
