"""Tests that colours can be told apart, and text can be read."""

import pytest

from calibration.report.colors import DARK, LIGHT, SYMBOLS, look

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(color):
    """Relative luminance, WCAG 2.2."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def blended(front, back, share):
    parts = [
        round(
            share * int(front[at : at + 2], 16)
            + (1 - share) * int(back[at : at + 2], 16)
        )
        for at in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)


def test_contrast_of_black_on_white_is_21():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


def test_both_themes_have_the_same_roles():
    assert set(LIGHT) == set(DARK)


@THEMES
@pytest.mark.parametrize("ink", ["ink", "muted", "link"])
@pytest.mark.parametrize("back", ["page", "soft"])
def test_text_stands_out(theme, ink, back):
    assert contrast(theme[ink], theme[back]) >= 4.5


@THEMES
@pytest.mark.parametrize("depth", [0, 0.35, 0.7])
def test_numbers_can_be_read_in_the_darkest_cell_of_a_heat_table(theme, depth):
    back = blended(theme["heat"], theme["page"], depth)
    assert contrast(theme["ink"], back) >= 4.5


@THEMES
def test_lines_of_models_stand_out(theme):
    for index in range(10):
        assert contrast(theme[look(index).color], theme["page"]) >= 3


@THEMES
def test_what_is_no_model_has_a_colour_of_its_own(theme):
    models = {theme[look(index).color] for index in range(10)}
    assert not models & {theme[role] for role in ("good", "bad", "gap")}
    for role in ("good", "bad", "gap"):
        assert contrast(theme[role], theme["page"]) >= 3
    # By lightness too: right and wrong are told apart without colours.
    assert contrast(theme["good"], theme["bad"]) >= 1.5


def test_ten_models_look_different_and_always_the_same():
    looks = [look(index) for index in range(10)]
    assert len(set(looks)) == 10
    assert len({each.symbol for each in looks}) == 10
    assert looks[8].color == looks[0].color
    assert looks[8].dash != looks[0].dash
    assert {each.symbol for each in looks} <= set(SYMBOLS)
