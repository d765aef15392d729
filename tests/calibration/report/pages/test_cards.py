"""Tests of cards on pages."""

from calibration.report.document import Card, Cards
from calibration.report.pages.cards import draw_cards
from calibration.report.pages.sheet import Sheets
from tests.calibration.report.examples import picture


def drawn(cards):
    sheets = Sheets()
    draw_cards(sheets, Cards(items=cards))
    return sheets


def said(sheets):
    return [text.get_text() for page in sheets.pages for text in page.texts]


def card(image, **facts):
    return Card(image=image, alt="", title="Example 1", facts=facts)


def test_a_picture_is_drawn_or_its_absence_told():
    sheets = drawn([card(picture(0))])
    assert len(sheets.pages[0].axes[0].images) == 1
    for broken in ("", "!!!", "aGVsbG8="):
        assert "no picture" in said(drawn([card(broken)]))


def test_four_cards_are_a_row_and_many_take_more_pages():
    sheets = drawn([card(picture(0), Entropy="0.1 nats")] * 5)
    *row, last = (axes.get_position() for axes in sheets.pages[0].axes)
    assert len({box.y0 for box in row}) == 1
    assert last.y1 < row[0].y0
    assert last.x0 == row[0].x0
    assert len(drawn([card("")] * 50).pages) > 1


def test_what_is_too_long_beside_its_name_goes_below():
    assert said(drawn([card("", Class="x" * 60)])).count("Class") == 1
    texts = said(drawn([card("", Class="x" * 60)]))
    assert "".join(text for text in texts if set(text) == {"x"}) == "x" * 60
