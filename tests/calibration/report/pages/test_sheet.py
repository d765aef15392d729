"""Tests of pages that fill from top to bottom."""

import pytest

from calibration.report.pages.sheet import BOTTOM, HEIGHT, ROOM, TOP, Sheets


@pytest.fixture
def sheets():
    return Sheets()


def test_a_page_is_turned_where_there_is_no_room(sheets):
    assert not sheets.need(10_000)  # an empty page has as much as there is
    sheets.y += 500
    assert not sheets.need(200)
    assert sheets.need(400)
    assert (len(sheets.pages), sheets.y) == (2, TOP)


def test_no_gap_is_left_at_the_top(sheets):
    sheets.skip(20)
    assert sheets.y == TOP
    sheets.y += 1
    sheets.skip(20)
    assert sheets.y == TOP + 21


def test_a_long_paragraph_goes_on_on_the_next_page(sheets):
    sheets.paragraph("word " * 5000, 9)
    assert len(sheets.pages) > 1
    assert sheets.y <= HEIGHT - BOTTOM
    assert len(sheets.pages[0].texts) > 30


def test_text_is_never_taken_for_a_formula(sheets):
    sheets.write(100, 100, "$\\frac$", 9)
    (text,) = sheets.pages[0].texts
    assert text.get_text() == "$\\frac$"
    assert not text.get_parse_math()


def test_a_line_of_text_stands_where_it_was_put(sheets):
    sheets.write(100, 200, "Text", 10)
    page = sheets.pages[0]
    box = page.texts[0].get_window_extent()
    scale = 72 / page.dpi
    assert box.x0 * scale == pytest.approx(100, abs=2)
    assert 200 <= HEIGHT - box.y1 * scale <= HEIGHT - box.y0 * scale <= 214


def test_axes_fill_their_rectangle(sheets):
    axes = sheets.axes(50, 100, ROOM, 200)
    box = axes.get_position()
    assert box.width * 595.28 == pytest.approx(ROOM)
    assert (1 - box.y1) * HEIGHT == pytest.approx(100)
