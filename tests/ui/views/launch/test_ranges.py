"""Tests of `ui/views/launch/ranges.py`."""

import pytest

from ui.views.launch.ranges import expanded


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("", []),
        (" 0,1 , 2,, ", ["0", "1", "2"]),
        ("auto, 1e-1", ["auto", "1e-1"]),
        ("0..4", ["0", "1", "2", "3", "4"]),
        ("3 .. 1", ["3", "2", "1"]),
        ("-1..1", ["-1", "0", "1"]),
        ("5..5", ["5"]),
        ("0..1 step 0.25", ["0", "0.25", "0.5", "0.75", "1"]),
        ("0..1 step 0.3", ["0", "0.3", "0.6", "0.9"]),
        ("0.1..0.3 step 0.1", ["0.1", "0.2", "0.3"]),
        ("0.1..0.5 3", ["0.1", "0.3", "0.5"]),
        ("0.001..0.1 log 3", ["0.001", "0.01", "0.1"]),
        ("0.001..0.1 log 5", ["0.001", "0.003162", "0.01", "0.03162", "0.1"]),
        ("1e-4..1e-2 log 3", ["0.0001", "0.001", "0.01"]),
        ("16..256 log 5", ["16", "32", "64", "128", "256"]),
        ("0.1..0.001 log3", ["0.1", "0.01", "0.001"]),
        ("auto, 1..2, 7", ["auto", "1", "2", "7"]),
        (".5...7 3", [".5...7 3"][0:0] + ["0.5", "0.6", "0.7"]),
        # Neither is a range: a path, a name.
        ("../w.safetensors", ["../w.safetensors"]),
        ("a..b", ["a..b"]),
    ],
)
def test_lists_and_ranges_are_written_out(typed, values):
    assert expanded(typed) == values


def test_a_range_of_a_whole_setting_is_rounded_and_has_nothing_twice():
    assert expanded("1..100 log 4", whole=True) == ["1", "5", "22", "100"]
    assert expanded("1..3 6", whole=True) == ["1", "2", "3"]
    assert expanded("0.5", whole=True) == ["0.5"]  # no range: as it was typed


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("1..", "a range is written like 1..5, .* got '1..'"),
        ("1..x", "a range is written like"),
        ("1..2 lin 3", "a range is written like"),
        ("..5", "a range is written like"),
        ("0.1..0.5", "needs how many values, such as 0.1..0.5 5, or a step"),
        ("0..1 log 3", "by factors must be of numbers > 0, got '0..1 log 3'"),
        ("0..1 step 0", "step of a range must be > 0"),
        ("0..1 1", "a range must have 2 to 1000 values"),
        ("0..1 2.5", "a range must have 2 to 1000 values"),
        ("0..5000", "a range must have 1 to 1000 values, got '0..5000'"),
        ("0..1 step 1e-9", "a range must have 1 to 1000 values"),
    ],
)
def test_what_is_no_range_is_told(typed, told):
    with pytest.raises(ValueError, match=told):
        expanded(f"7, {typed}")
