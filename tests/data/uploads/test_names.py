"""Tests of `data/uploads/names.py`."""

import pytest

from data.uploads.names import NAME, numbered, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pets", "pets"), ("../../etc/passwd", "etc passwd"), ("", "images"),
        ("<script>alert(1)</script>", "script alert 1 script"), (".hidden", "hidden"),
        ("Übung 犬", "Übung 犬"), ("a" * 99, "a" * 64), ("///", "images"),
        ("x ", "x"), ("_a", "a"),
    ],
)  # fmt: skip
def test_names_are_made_safe(text, name):
    assert safe_name(text) == name


@pytest.mark.parametrize("letter", ["a", "\N{CJK UNIFIED IDEOGRAPH-20000}"])
def test_names_have_few_enough_letters_and_bytes_for_the_disk(letter):
    name = safe_name(letter * 99)
    assert name in {"a" * 64, letter * 50}
    again = numbered(name, 1234)
    assert again.endswith(f"{letter} 1234")
    assert NAME.fullmatch(again)
    assert len(again.encode()) <= 200
