"""Tests of `ui/components/formats.py`."""

import math

import pytest

from ui.components.formats import (
    age,
    compact,
    counted,
    decimal,
    duration,
    escaped,
    percent,
    plain,
    words,
)


def test_fractions_become_percentages_and_missing_numbers_a_dash():
    assert percent(0.9724) == "97.2 %"
    assert percent(0.5, 0) == "50 %"
    assert [percent(x) for x in (None, math.nan, math.inf)] == ["-", "-", "-"]


def test_decimals_and_compact_numbers():
    assert decimal(0.27649) == "0.276"
    assert decimal(None) == "-"
    assert compact(0.000123456) == "0.000123"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7_500, "2 h 05 min")],
)
def test_durations_show_their_two_largest_units(seconds, told):
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-3, "just now"), (61, "1 min ago"), (7_300, "2 h ago"), (200_000, "2 d ago")],
)
def test_ages_show_their_largest_unit(seconds, told):
    assert age(seconds) == told


def test_names_become_labels():
    assert words("batch_size") == "Batch size"
    assert words("") == ""


def test_foreign_text_cannot_become_markup():
    assert plain("[x](y) $a$ :red[b]") == r"\[x\]\(y\) \$a\$ \:red\[b\]"


def test_things_are_counted():
    assert [counted(n, "run") for n in (0, 1, 2, 1200)] == [
        "0 runs", "1 run", "2 runs", "1,200 runs",
    ]  # fmt: skip


def test_what_stands_for_a_character_is_shown_as_it_stands():
    assert plain("&lt;b&gt; R&D") == r"\&lt;b\&gt; R\&D"


@pytest.mark.parametrize(
    "text", ["www.evil.com", "WWW.evil.com", "https://evil.com", "a@evil.com"]
)
def test_addresses_are_no_links(text):
    shown = plain(text).replace("\\", "")
    assert shown != text
    assert shown.replace("\u2060", "") == text  # which takes no room
    assert escaped(text).replace("\\", "") == text
    assert plain("a.b @ c, http: www") == r"a.b @ c, http\: www"
