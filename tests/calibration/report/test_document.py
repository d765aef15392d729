"""Tests that both renderers show every kind of block."""

import io
from dataclasses import fields
from typing import get_args

import pytest

from calibration.report.chart import Axis, Chart, Line, Panel
from calibration.report.document import (
    Block,
    Bullets,
    Card,
    Cards,
    Cell,
    Column,
    Document,
    Figure,
    Figures,
    Heading,
    Section,
    Table,
    Term,
    Terms,
    Text,
)
from calibration.report.html import render_document
from calibration.report.pages.book import write_pages

PANEL = Panel(marks=[Line(name="line", x=[0, 1], y=[0, 1])], y=Axis(title="y"))
BLOCKS = [
    Heading(text="a heading", note="its note"),
    Text("a paragraph"),
    Bullets(["a bullet"]),
    Table(
        caption="a table",
        columns=[Column(text="head", words=True), Column(text="number")],
        rows=[[Cell(text="row"), Cell(text="1", detail="(0 to 2)", shade=0.5)]],
    ),
    Figures(
        items=[Figure(chart=Chart(panels=[PANEL], x=Axis()), alt="told", title="drawn")]
    ),
    Cards(items=[Card(image="", alt="", title="a card", facts={"fact": "value"})]),
    Terms([Term(title="a term", sentence="its sentence", reference="its source")]),
]
SAID = ["a heading", "a paragraph", "a bullet", "a table", "drawn", "a card", "a term"]


@pytest.fixture
def document():
    section = Section(slug="one", title="One", blocks=BLOCKS)
    return Document(title="Whole", subtitle="day", facts=[], sections=[section])


def test_every_kind_of_block_is_here():
    assert {type(block) for block in BLOCKS} == set(get_args(Block))
    assert all(fields(block) for block in BLOCKS)


def test_a_page_shows_every_block(document):
    page = render_document(document)
    assert [text for text in SAID if text not in page] == []


def test_pages_of_paper_show_every_block(document):
    assert write_pages(document, io.BytesIO()) == 1
