"""Tests of the rungs."""

import pytest

from trainers.tuning.halving import Halving


def test_rungs_multiply_and_end_before_the_last_epoch():
    halving = Halving(max_epochs=27, min_epochs=1, factor=3)
    assert halving.rungs == (1, 3, 9)
    assert halving.budgets == (1, 3, 9, 27)
    assert Halving(max_epochs=30, min_epochs=2, factor=4).budgets == (2, 8, 30)
    assert Halving(max_epochs=1).rungs == ()


def test_the_next_rung_is_not_behind():
    halving = Halving(max_epochs=10, min_epochs=1, factor=3)
    assert [halving.next_rung(epoch) for epoch in (1, 2, 3, 4, 10, 11)] == [
        1, 3, 3, 9, 10, 10,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"max_epochs": 0}, r"max_epochs must be a whole number in \[1, 100000\], got"),
        ({"min_epochs": 5}, r"min_epochs must be a whole number in \[1, 4\], got 5"),
        ({"factor": 1}, r"factor must be a whole number in \[2, 100\], got 1"),
    ],
)
def test_numbers_are_checked(changes, text):
    with pytest.raises(ValueError, match=text):
        Halving(**{"max_epochs": 4} | changes)
