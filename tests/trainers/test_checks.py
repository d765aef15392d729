"""Tests of checks of single settings."""

import math

import pytest

from trainers.checks import check_int, check_number, check_switch, check_text


@pytest.mark.parametrize("value", [1, 3])
def test_whole_numbers_in_range_pass(value):
    check_int("x", value, 1, 3)


@pytest.mark.parametrize("value", [0, 4, 1.0, True, "1", None])
def test_other_whole_numbers_are_refused(value):
    with pytest.raises(ValueError, match="x must be a whole number") as caught:
        check_int("x", value, 1, 3)
    assert str(caught.value) == f"x must be a whole number in [1, 3], got {value!r}."


@pytest.mark.parametrize("value", [0, 0.0, 0.25, 0.5])
def test_numbers_in_range_pass(value):
    check_number("x", value, 0, 0.5)


@pytest.mark.parametrize("value", [-0.1, 0.6, math.nan, math.inf, True, "0", None])
def test_other_numbers_are_refused(value):
    with pytest.raises(ValueError, match="x must be a number") as caught:
        check_number("x", value, 0, 0.5)
    assert str(caught.value) == f"x must be a number in [0, 0.5], got {value!r}."


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_switches_are_true_or_false(value):
    check_switch("x", True)
    with pytest.raises(ValueError, match="x must be true or false, got "):
        check_switch("x", value)


@pytest.mark.parametrize("value", [0, None, ["a"]])
def test_texts_are_texts(value):
    check_text("x", "a")
    with pytest.raises(ValueError, match="x must be a text, got "):
        check_text("x", value)
