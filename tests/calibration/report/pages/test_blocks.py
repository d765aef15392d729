"""Tests of the other blocks on pages."""

from calibration.report.chart import Axis, Chart, Line, Panel
from calibration.report.document import (
    Bullets,
    Figure,
    Figures,
    Heading,
    Term,
    Terms,
    Text,
)
from calibration.report.pages.blocks import beginning, draw_block, draw_blocks
from calibration.report.pages.sheet import Sheets

PANEL = Panel(marks=[Line(name="a", x=[0, 1], y=[0, 1])], y=Axis(low=0, high=1))
FIGURE = Figure(chart=Chart(panels=[PANEL], x=Axis()), alt="It rises.", title="Title")


def said(sheets):
    return [text.get_text() for page in sheets.pages for text in page.texts]


def drawn(block):
    sheets = Sheets()
    draw_block(sheets, block)
    return sheets


def test_a_heading_goes_with_what_comes_after_it():
    blocks = [Heading(text="Head"), Text("Told."), Figures(items=[FIGURE])]
    assert beginning(blocks) > beginning(blocks[1:]) > 180
    sheets = Sheets()
    sheets.y += sheets.left_over - 150
    draw_blocks(sheets, blocks)
    assert sheets.pages[0].texts == []
    assert len(sheets.pages) == 2


def test_figures_stand_side_by_side_with_title_and_caption():
    sheets = drawn(Figures(items=[FIGURE] * 3, columns=2))
    first, second, third = (axes.get_position() for axes in sheets.pages[0].axes)
    assert first.y0 == second.y0 > third.y1
    assert first.x1 < second.x0
    assert said(sheets).count("Title") == said(sheets).count("It rises.") == 3


def test_small_figures_have_a_title_alone():
    assert said(drawn(Figures(items=[FIGURE], columns=5)))[0] == "Title"
    assert "It rises." not in said(drawn(Figures(items=[FIGURE], columns=5)))


def test_lists_and_terms():
    sheets = drawn(Bullets(["First.", "Second."], lead=True))
    assert said(sheets) == ["First.", "•", "Second."]
    term = Term(title="NLL", sentence="Mean.", reference="Somebody (2000)")
    assert said(drawn(Terms([term]))) == ["NLL", "Mean.", "Somebody (2000)"]
