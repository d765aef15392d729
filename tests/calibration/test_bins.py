"""Edges of bins, and values on them; ties."""

import numpy as np
import pytest

from calibration._bins import bin_edges, find_bins


def test_bins_hold_zero_and_one_too():
    values = np.array([0.0, 5e-324, 0.25, 0.26, 1.0])
    edges = bin_edges(values, 4)
    assert edges.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert find_bins(values, edges).tolist() == [0, 0, 0, 1, 3]


def test_bins_of_equal_mass_hold_equally_many():
    values = np.random.default_rng(0).permutation(np.arange(1, 13) / 13)
    edges = bin_edges(values, 4, "mass")
    np.testing.assert_allclose(edges, [0, 3 / 13, 6 / 13, 9 / 13, 1])
    assert np.bincount(find_bins(values, edges)).tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize(("count", "num_bins"), [(10, 3), (7, 15), (1, 4), (100, 1)])
def test_sizes_of_bins_of_equal_mass_differ_by_one_at_most(count, num_bins):
    values = np.random.default_rng(0).random(count)
    sizes = np.bincount(find_bins(values, bin_edges(values, num_bins, "mass")))
    assert len(sizes) == min(count, num_bins)
    assert sizes.max() - sizes.min() <= 1


def test_ties_are_never_split():
    values = np.array([0.2] * 3 + [0.5] * 5 + [0.9] * 2)
    edges = bin_edges(values, 4, "mass")
    assert edges.tolist() == [0.0, 0.2, 0.5, 1.0]
    index = find_bins(values, edges)
    assert index.tolist() == [0] * 3 + [1] * 5 + [2] * 2
    order = np.random.default_rng(0).permutation(10)
    np.testing.assert_array_equal(bin_edges(values[order], 4, "mass"), edges)


def test_one_value_has_one_bin_of_equal_mass():
    for value in (0.0, 0.7, 1.0):
        values = np.full(9, value)
        index = find_bins(values, bin_edges(values, 5, "mass"))
        assert len(set(index.tolist())) == 1


def test_many_zeros_have_a_bin_of_their_own():
    values = np.array([0.0] * 5 + [0.1, 0.2, 0.3, 0.4, 0.5])
    edges = bin_edges(values, 4, "mass")
    assert np.bincount(find_bins(values, edges)).tolist() == [5, 3, 2]


def test_copies_of_all_examples_leave_the_edges():
    values = np.random.default_rng(0).random(37)
    edges = bin_edges(values, 8, "mass")
    np.testing.assert_array_equal(bin_edges(np.tile(values, 3), 8, "mass"), edges)
