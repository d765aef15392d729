"""Tests of whole documents on pages: nothing is cut, nothing lies over another."""

import io
from dataclasses import replace
from functools import cache
from itertools import combinations

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from calibration.report.pages.book import RENDERER, draw_pages, write_pages
from calibration.report.pages.sheet import HEIGHT, LEFT, WIDTH
from calibration.report.sections.whole import to_document
from tests.calibration.report.examples import (
    bare_report,
    example_model,
    example_report,
)

DPI = 720
LONG = "A model of a very long name, $x$ 上 resnet-with-no-space-anywhere-in-it-" * 2


def long_names():
    model = example_model(0)
    classes = [replace(row, name=f"{LONG}{row.index}") for row in model.classes]
    models = [
        replace(
            model,
            name=f"{LONG} {i}",
            classes=classes,
            class_names=[LONG] * 10,
            provenance={LONG: LONG},
        )
        for i in range(3)
    ]
    return replace(example_report(3), models=models, title=LONG, limitations=[LONG * 9])


REPORTS = {
    "bare": bare_report,
    "two models": lambda: example_report(2),
    "long names": long_names,
}


@cache
def pages_of(name):
    """The pages of a report, drawn once: that takes seconds."""
    return draw_pages(to_document(REPORTS[name]()))


def boxes(page):
    """Each text of a page with its left, bottom, right and top, in points."""
    # As fine as paper, where letters are not widened to whole pixels of a screen.
    renderer = FigureCanvasAgg(Figure((0.1, 0.1), dpi=DPI)).get_renderer()
    for text in page.texts:
        if text.get_text().strip():
            box = text.get_window_extent(renderer, dpi=DPI)
            yield text.get_text(), [72 / DPI * edge for edge in box.extents]


@pytest.mark.parametrize("name", REPORTS)
def test_no_text_is_cut_and_none_lies_over_another(name):
    for page in pages_of(name):
        found = list(boxes(page))
        for text, (left, bottom, right, top) in found:
            assert left >= LEFT - 2, text
            assert right <= WIDTH - LEFT + 2, text
            assert bottom >= 25, text
            assert top <= HEIGHT - 40, text
        for (text, a), (other, b) in combinations(found, 2):
            wide = min(a[2], b[2]) - max(a[0], b[0])
            tall = min(a[3], b[3]) - max(a[1], b[1])
            assert wide < 1 or tall < 1, (text, other)


def test_every_page_has_its_number_and_the_first_its_maker():
    pages = pages_of("bare")
    for number, page in enumerate(pages, start=1):
        said = [text.get_text() for text in page.texts]
        assert f"{number} / {len(pages)}" in said
    first = [text.get_text() for text in pages[0].texts]
    assert any(f"PDF by {RENDERER}" in text for text in first)


def test_all_sections_are_on_the_pages():
    said = {text.get_text() for page in pages_of("two models") for text in page.texts}
    document = to_document(REPORTS["two models"]())
    assert {section.title for section in document.sections} <= said


def test_settings_of_matplotlib_are_neither_heeded_nor_changed():
    whole = to_document(bare_report())
    section = next(each for each in whole.sections if each.slug == "selective")
    document = replace(whole, sections=[section])
    plain, own = io.BytesIO(), io.BytesIO()
    write_pages(document, plain)
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red"}):
        write_pages(document, own)
        assert matplotlib.rcParams["axes.facecolor"] == "red"
    assert own.getvalue() == plain.getvalue()
