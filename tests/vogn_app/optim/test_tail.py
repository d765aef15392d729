"""Tests of the tail of a training: its learning rate, and how often it collects."""

import pytest

from vogn_app.optim.tail import checked_interval, falling


def test_the_rate_falls_in_a_line_between_half_and_nine_tenths_of_the_way():
    assert [falling(step, 100, 0.2) for step in (0, 50, 90, 100, 500)] == [
        1.0, 1.0, 0.2, 0.2, 0.2,
    ]  # fmt: skip
    assert falling(70, 100, 0.2) == pytest.approx(0.6)  # half of the line
    assert falling(0, 0, 0.2) == 0.2


def test_on_their_own_accord_as_many_are_collected_as_wanted_or_up_to_twice():
    for tail in range(20, 200):
        interval = checked_interval("auto", tail, 20)
        assert 20 <= -(-tail // interval) <= 40
    assert checked_interval("auto", 5, 20) == 1
    assert checked_interval(4, 5, 20) == 4


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        (0, "interval must be a whole number >= 1, got 0"),
        ("often", "interval must be a whole number >= 1 or 'auto', got 'often'"),
        (5, "interval must be < 5, the number of steps after start"),
    ],
)
def test_intervals_that_collect_nothing_are_told(interval, told):
    with pytest.raises(ValueError, match=told):
        checked_interval(interval, 5, 20)
