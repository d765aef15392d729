"""Tests of random numbers that belong to an example."""

import numpy as np
import pytest

from data.corruptions.draws import Draws

METHODS = {
    "normals": lambda draws, count: draws.normals(3, 2),
    "uniforms": lambda draws, count: draws.uniforms(-1, 2, 4),
    "whole": lambda draws, count: draws.whole(-2, 1, 5),
    "counts": lambda draws, count: draws.counts(np.full((count, 6), 9, np.float32)),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_an_example_has_its_own_numbers_in_any_batch(method):
    together = method(Draws(3, "fog", [7, 8, 9]), 3)
    for row, index in enumerate([7, 8, 9]):
        np.testing.assert_array_equal(
            method(Draws(3, "fog", [index]), 1)[0], together[row]
        )
    assert not np.array_equal(together[0], together[1])


@pytest.mark.parametrize("other", [(4, "fog"), (3, "snow")])
def test_another_seed_or_kind_has_other_numbers(other):
    first = Draws(3, "fog", [7]).normals(8)
    assert not np.array_equal(first, Draws(*other, [7]).normals(8))


def test_numbers_are_distributed_as_they_say():
    """Tolerances are five standard errors of 40,000 numbers."""
    draws = Draws(0, "", range(100))
    normals = draws.normals(400)
    assert normals.dtype == np.float32
    assert abs(normals.mean()) < 5 / 200
    assert abs(normals.std() - 1) < 5 / (200 * 2**0.5)
    uniforms = draws.uniforms(-1, 3, 400)
    assert uniforms.min() >= -1
    assert uniforms.max() <= 3
    assert abs(uniforms.mean() - 1) < 5 * (4 / 12**0.5) / 200
    assert set(draws.whole(-1, 1, 400).ravel()) == {-1, 0, 1}
    counts = draws.counts(np.full((100, 400), 4, np.float32))
    assert abs(counts.mean() - 4) < 5 * 2 / 200
