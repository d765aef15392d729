"""Tests of `ui/components/csv_file.py`."""

import codecs
import csv

import pytest

from ui.components.csv_file import as_csv, safe


def test_a_table_comes_back_as_it_was():
    rows = [["a;b", 1, None], ['say "x",\ny', -2.5e-3, True]]
    written = as_csv(["name", "=1+1", "c"], rows)
    assert written.startswith(codecs.BOM_UTF8)  # or Excel reads another encoding
    assert b"\r" not in written
    read = list(csv.reader(written.decode("utf-8-sig").splitlines(keepends=True)))
    assert read == [
        ["name", "'=1+1", "c"], ["a;b", "1", ""], ['say "x",\ny', "-0.0025", "True"],
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text):
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("content", [-1, -0.5, None, "", "a=1", "<script>"])
def test_numbers_and_other_texts_stay(content):
    assert safe(content) == content
