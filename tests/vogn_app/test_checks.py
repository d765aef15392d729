"""Range checks and their messages."""

import math
import re

import pytest

from vogn_app._checks import check_choice, check_count, check_number


def raises(text):
    return pytest.raises(ValueError, match=f"^{re.escape(text)}$")


def test_numbers_in_the_interval_come_back_as_float():
    for value in (0, 1, 0.5):
        got = check_number("x", value, minimum=0, maximum=1)
        assert (got, type(got)) == (value, float)


@pytest.mark.parametrize("value", [0, 1, -1, 2, math.nan, math.inf, "1", None, True])
def test_numbers_outside_an_open_interval_are_errors(value):
    with raises(f"x must be a finite number in (0, 1), got {value!r}."):
        check_number(
            "x", value, minimum=0, maximum=1, open_minimum=True, open_maximum=True
        )


@pytest.mark.parametrize("value", [-1e-9, 1.0000001])
def test_numbers_outside_a_closed_interval_are_errors(value):
    with raises(f"x must be a finite number in [0, 1], got {value!r}."):
        check_number("x", value, minimum=0, maximum=1)


def test_infinity_is_no_number_though_the_interval_has_no_end():
    with raises("x must be a finite number in [0, inf), got inf."):
        check_number("x", math.inf, minimum=0)


def test_counts_come_back():
    assert check_count("n", 3) == 3


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None])
def test_what_is_no_count_is_an_error(value):
    with raises(f"n must be a whole number >= 1, got {value!r}."):
        check_count("n", value)


def test_a_choice_comes_back_and_another_is_an_error():
    assert check_choice("way", "a", ("a", "b")) == "a"
    with raises("way must be one of a, b, got 'c'."):
        check_choice("way", "c", ("a", "b"))
