"""Cells of the bootstrap: no tie is torn, and large ties stand alone."""

import numpy as np
import pytest

from calibration._cells import curve_area
from calibration._ranking import MAX_CELLS, rank
from tests.calibration.selection import predictions


def ranking(uncertainty, seed=0):
    wrong = np.random.default_rng(seed).random(len(uncertainty)) < 0.3
    return rank(*predictions(wrong), uncertainty)


def test_ties_are_found():
    found = rank(*predictions([1, 0, 1, 1, 0]), [2.0, 1.0, 2.0, 0.5, 2.0])
    assert np.array_equal(found.starts, [0, 1, 2])
    assert np.array_equal(found.sizes, [1, 1, 3])
    assert np.array_equal(found.errors, [1, 0, 2])
    assert (found.num_examples, found.num_errors) == (5, 3)


@pytest.mark.parametrize("distinct", [3, 400, 3000])
def test_sums_hold_every_example_once(distinct):
    uncertainty = np.random.default_rng(0).integers(distinct, size=5000)
    found = ranking(uncertainty)
    sums = found.sums(None)
    assert sums.shape[1] <= MAX_CELLS
    assert np.array_equal(sums.sum((0, 1)), [5000, found.num_errors])


def test_few_distinct_values_are_cells_of_their_own():
    found = ranking(np.random.default_rng(0).integers(400, size=5000))
    assert np.array_equal(found.sums(None).sum(0), found.counts())


def test_a_large_tie_is_a_cell_alone_whatever_precedes_it():
    """Of 10,000 examples, 3 small ones come before a tie of 6,000."""
    uncertainty = np.concatenate([[1, 2, 3], np.full(6000, 4), np.arange(5, 4002)])
    sizes = ranking(uncertainty).sums(None).sum(0)[:, 0]
    assert [size for size in sizes if size][:2] == [3, 6000]
    assert sizes[2:].max() <= 40  # 10,000 in 250 parts


def test_clusters_are_resampled_whole():
    found = ranking(np.random.default_rng(0).random(60))
    groups = np.repeat(np.arange(20), 3)
    sums = found.sums(groups)
    assert np.all(sums[..., 0].sum(1) == 3)
    assert (found.num_independent(None), found.num_independent(groups)) == (60, 20)


def test_cells_lose_little_of_the_area():
    """A cell holds 1/250 of the examples, over which a smooth risk hardly moves."""
    uncertainty = np.random.default_rng(0).random(20_000)
    wrong = np.random.default_rng(1).random(20_000) < uncertainty
    found = rank(*predictions(wrong), uncertainty)
    exact = found.risks().mean()
    assert curve_area(found.counts()) == pytest.approx(exact, rel=1e-12)
    assert curve_area(found.sums(None).sum(0)) == pytest.approx(exact, rel=1e-2)
