"""Tests of `ui/views/compare/means.py`; of intervals also in `test_differences`."""

import numpy as np
import pytest

from ui.views.compare.means import alike, of_means


def test_two_numbers_alone_have_no_interval():
    with pytest.raises(ValueError, match="two single runs"):
        of_means([1.0], [2.0])


@pytest.mark.parametrize(
    ("first", "second"),
    [([0.985, 0.985], [0.98]), ([0.1 + 0.2, 0.3], [0.1, 0.1, 0.1])],
)
def test_seeds_that_are_all_alike_have_no_interval(first, second):
    found = of_means(first, second)
    assert float(found) == pytest.approx(np.mean(first) - np.mean(second))
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_numbers_are_alike_but_for_rounding():
    assert alike([0.1 + 0.2, 0.3])
    assert alike([5.0])
    assert not alike([0.3, 0.30000001])
