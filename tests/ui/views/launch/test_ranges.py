"""Tests of `ui/views/launch/ranges.py`."""

import itertools
import math

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
        # As many digits as tell the values apart, all within the ends.
        (
            "0.99990..0.99999 4",
            ["0.9999", "0.99993", "0.99996", "0.99999"],
        ),
        ("1.0001..1.0005 5", ["1.0001", "1.0002", "1.0003", "1.0004", "1.0005"]),
        ("1000..1000.3 step 0.1", ["1000", "1000.1", "1000.2", "1000.3"]),
        (
            "1234567..1234568.5 step 0.5",
            ["1234567", "1234567.5", "1234568", "1234568.5"],
        ),
        ("1..1e6 log 4", ["1", "100", "10000", "1000000"]),
        ("1e-300..1e300 log 3", ["1e-300", "1", "1e+300"]),
        ("0..0.3 step 0.123456789", ["0", "0.123456789", "0.246913578"]),
        ("0e99999999..1", ["0", "1"]),
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
    ("typed", "values"),
    [
        ("1000000000..1000000003", [1000000000 + k for k in range(4)]),
        ("12345678901..12345678903 step 1", [12345678901, 12345678902, 12345678903]),
        ("1..4 step 0.5", [1, 2, 3, 4]),  # halves upwards, unlike `round`
        ("0..5 3", [0, 3, 5]),
        ("-3..0 3", [-3, -1, 0]),
    ],
)
def test_whole_numbers_are_exact(typed, values):
    assert expanded(typed, whole=True) == [str(value) for value in values]


def test_the_ends_of_whole_numbers_are_whole():
    with pytest.raises(ValueError, match=r"must have whole ends, got '0.5..4.5 5'"):
        expanded("0.5..4.5 5", whole=True)


@pytest.mark.parametrize(
    "typed", ["0.1..0.7 1000", "1e-9..3 log 777", "5..1e12 999", "0.99..0.991 500"]
)
def test_values_are_within_the_range_and_evenly_apart(typed):
    values = [float(value) for value in expanded(typed)]
    if "log" in typed:
        values = [math.log(value) for value in values]
    gap = (values[-1] - values[0]) / (len(values) - 1)
    assert all(
        after - before == pytest.approx(gap, rel=0.003)
        for before, after in itertools.pairwise(values)
    )


@pytest.mark.parametrize(
    "typed",
    ["0..1 step 1e-320", "0..4 1e400", "1..1e400 5", "1e308..-1e308 3", "1e400..2",
     "1e-999999999..1 3", "0..1 step 1e999999999"],
)  # fmt: skip
def test_numbers_that_cannot_be_reckoned_with_are_told(typed):
    for whole in (False, True):
        with pytest.raises(ValueError, match="must be 0, or from 1e-300 to 1e"):
            expanded(typed, whole=whole)


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
        ("0..1e300", "a range must have 1 to 1000 values"),
        ("0..1 1e300", "a range must have 2 to 1000 values"),
        (f"0..{'1' * 5000}", "a number of a range must have at most 40 characters"),
        ("0.123456789012345..0.123456789012349 7", "values that 15 digits tell apart"),
        ("1e16..10000000000000004 step 1", "values that 15 digits tell apart"),
        ("0..1 step 1e-9", "a range must have 1 to 1000 values"),
    ],
)
def test_what_is_no_range_is_told(typed, told):
    with pytest.raises(ValueError, match=told):
        expanded(f"7, {typed}")
