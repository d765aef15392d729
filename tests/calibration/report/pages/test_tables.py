"""Tests of tables on pages."""

from dataclasses import replace

import pytest

from calibration.report.document import Cell, Column, Table
from calibration.report.pages.sheet import LEFT, WIDTH, Sheets
from calibration.report.pages.tables import draw_table, least_height
from calibration.report.pages.text import width_of


def table(rows, columns=3, text="0.2441", detail="(0.2361 to 0.2521)"):
    cells = [Cell(text=text, detail=detail)] * (columns - 1)
    heads = [Column(text=f"Model {i}", color="model-1") for i in range(columns - 1)]
    return Table(
        caption="A table",
        columns=[Column(text="Measure", words=True), *heads],
        rows=[[Cell(text=f"Row {i}"), *cells] for i in range(rows)],
    )


def said(page):
    return [text.get_text() for text in page.texts]


def test_the_head_is_repeated_on_each_page():
    sheets = Sheets()
    draw_table(sheets, table(120))
    assert len(sheets.pages) > 2
    assert [said(page).count("Model 1") for page in sheets.pages] == [1] * len(
        sheets.pages
    )
    captions = [said(page)[0] for page in sheets.pages]
    assert captions == ["A table", *["A table (continued)"] * (len(captions) - 1)]
    rows = [text for page in sheets.pages for text in said(page) if text[:3] == "Row"]
    assert rows == [f"Row {i}" for i in range(120)]


def test_a_short_table_stays_in_one_piece():
    sheets = Sheets()
    sheets.y += sheets.left_over - least_height(table(5)) + 1
    draw_table(sheets, table(5))
    assert len(sheets.pages) == 2
    assert said(sheets.pages[0]) == []


@pytest.mark.parametrize("columns", [2, 6, 9, 14])
def test_no_table_leaves_the_page(columns):
    sheets = Sheets()
    draw_table(sheets, table(3, columns))
    page = sheets.pages[0]
    scale = 72 / page.dpi
    boxes = [text.get_window_extent() for text in page.texts if text.get_text()]
    assert min(box.x0 for box in boxes) * scale >= LEFT - 1
    assert max(box.x1 for box in boxes) * scale <= WIDTH - LEFT + 1


def test_even_columns_are_of_one_width_whatever_they_hold():
    columns = [Column(text=text, words=True) for text in ("", "one", "two", "three")]
    row = [Cell(text=text) for text in ("Optimizer", "short", "a long text " * 4, "x")]
    wide = {}
    for even in (True, False):
        sheets = Sheets()
        made = Table(caption="", columns=columns, rows=[row], even=even)
        draw_table(sheets, made)
        texts = {text.get_text(): text for text in sheets.pages[0].texts}
        starts = [texts[name].get_position()[0] for name in ("one", "two", "three")]
        wide[even] = [starts[1] - starts[0], starts[2] - starts[1]]
    assert wide[True][0] == pytest.approx(wide[True][1])
    assert wide[False][0] < wide[False][1]


def test_a_long_head_leaves_room_for_its_colour():
    columns = [Column(text="", words=True)]
    columns += [Column(text="n" * 90, color="model-1", words=True)] * 3
    sheets = Sheets()
    draw_table(sheets, Table(caption="", columns=columns, rows=[[Cell(text="x")] * 4]))
    heads = [t for t in sheets.pages[0].texts if set(t.get_text()) == {"n"}]
    ends = [
        t.get_position()[0] + width_of(t.get_text(), t.get_fontsize(), bold=True)
        for t in heads
    ]
    assert max(ends) <= WIDTH - LEFT


def test_a_very_long_name_is_broken():
    sheets = Sheets()
    made = table(1)
    long = [Cell(text="n" * 300), *made.rows[0][1:]]
    draw_table(sheets, Table(caption="", columns=made.columns, rows=[long]))
    assert "".join(text for text in said(sheets.pages[0])).count("n" * 20) >= 1
    assert len(sheets.pages) == 1


def test_long_names_of_models_leave_the_numbers_legible():
    name = "vogn-lenet5-fashion-mnist-lr-0.001-batch-128-epochs-20-seed-0"
    made = table(3, 7)
    columns = [made.columns[0], *[Column(text=name, color="model-1")] * 6]
    sizes = []
    for each in (made, Table(caption="", columns=columns, rows=made.rows)):
        sheets = Sheets()
        draw_table(sheets, each)
        numbers = [t for t in sheets.pages[0].texts if t.get_text() == "0.2441"]
        sizes.append(numbers[0].get_fontsize())
    assert sizes[1] == sizes[0]
    assert any("…" in text for text in said(sheets.pages[0]))


def test_all_intervals_of_a_column_stand_alike():
    made = table(2, 7)
    short = [made.rows[0][0], *[Cell(text="1", detail="(0 to 2)")] * 6]
    sheets = Sheets()
    draw_table(sheets, replace(made, rows=[*made.rows, short]))
    texts = {text.get_text(): text for text in sheets.pages[0].texts}
    tops = [texts[each].get_position()[1] for each in ("1", "(0 to 2)")]
    assert abs(tops[0] - tops[1]) > 2


def test_an_interval_stands_beside_its_number_or_below_it():
    for columns, level in ((3, True), (9, False)):
        sheets = Sheets()
        draw_table(sheets, table(1, columns))
        texts = {text.get_text(): text for text in sheets.pages[0].texts}
        number, interval = texts["0.2441"], texts["(0.2361 to 0.2521)"]
        apart = abs(number.get_position()[1] - interval.get_position()[1])
        assert (apart < 2) == level
