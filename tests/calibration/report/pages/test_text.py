"""Tests of lines of text."""

import pytest
from matplotlib.figure import Figure

from calibration.report.pages.text import (
    FAMILY,
    fitted,
    printable,
    width_of,
    wrapped,
)


@pytest.mark.parametrize("text", ["Calibration", "0.244 (0.236 to 0.252)", "AVATAR"])
@pytest.mark.parametrize("bold", [False, True])
def test_widths_are_those_that_are_drawn(text, bold):
    figure = Figure(dpi=720)
    drawn = figure.text(
        0, 0, text, fontsize=9, family=FAMILY, weight="bold" if bold else "normal"
    )
    width = drawn.get_window_extent().width / 10
    # Kerning is left out: a drawn line may be a little narrower.
    assert width - 0.3 <= width_of(text, 9, bold) <= 1.07 * width + 1


def test_no_line_is_wider_than_the_room():
    text = "Mean of the gaps of bins whose confidence exceeds " + "x" * 200
    lines = wrapped(text, 9, 100)
    assert max(width_of(line, 9) for line in lines) <= 100
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_number_is_not_parted_from_its_unit():
    room = width_of("it is 91.2", 9) + 1
    assert wrapped("it is 91.2 %", 9, room) == ["it is", "91.2\u00a0%"]


def test_nothing_is_one_empty_line():
    assert wrapped("", 9, 100) == [""]


def test_characters_without_a_shape_are_replaced():
    assert printable("a\n上b\tπ") == "a □b π"


def test_what_is_too_wide_for_a_line_loses_its_middle():
    assert fitted("short", 9, 100) == "short"
    text = fitted("begin" + "x" * 300 + "end", 9, 100)
    assert width_of(text, 9) <= 100 < width_of(f"{text}xx", 9)
    assert (text[:5], text[-3:]) == ("begin", "end")
    assert fitted("x", 9, 0) == "x"
