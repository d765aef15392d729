"""Nearest neighbours by brute force, and what k may be."""

import numpy as np
import pytest

from calibration.ood import NearestNeighbours
from tests.calibration.ood.examples import blobs


def brute_force(train, probes, k):
    train, probes = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in (train, probes)
    )
    distances = np.linalg.norm(probes[:, None] - train, axis=-1)
    return np.sort(distances, axis=1)[:, k - 1]


@pytest.mark.parametrize("dimension", [3, 40])
@pytest.mark.parametrize("k", [1, 7, 200])
def test_scores_equal_all_distances(dimension, k):
    train, _ = blobs(dimension=dimension)
    probes = np.random.default_rng(1).normal(size=(30, dimension))
    scores = NearestNeighbours(k).fit(train).score(probes)
    np.testing.assert_allclose(scores, brute_force(train, probes, k), atol=1e-7)


def test_by_hand():
    detector = NearestNeighbours(k=2).fit(np.array([[2.0, 0], [0, 5], [-1, 0]]))
    scores = detector.score(np.array([[9.0, 0], [0, 1e-200], [0, 0]]))
    np.testing.assert_allclose(scores, [np.sqrt(2), np.sqrt(2), 1])


def test_only_directions_count():
    train, _ = blobs()
    detector = NearestNeighbours(5).fit(train)
    scores = detector.score(train)
    np.testing.assert_allclose(detector.score(1e200 * train), scores, atol=1e-7)
    np.testing.assert_allclose(NearestNeighbours(5).fit(7 * train).score(train), scores)


def test_k_is_capped_at_the_number_of_examples():
    train, _ = blobs(10)
    detector = NearestNeighbours().fit(train)
    assert (detector.k, detector.k_) == (50, 10)
    farthest = brute_force(train, train, 10)
    np.testing.assert_allclose(detector.score(train), farthest, atol=1e-7)


@pytest.mark.parametrize("k", [0, 2.5])
def test_a_wrong_k_is_refused(k):
    with pytest.raises(ValueError, match="k must be an integer of at least 1, got"):
        NearestNeighbours(k).fit(blobs()[0])
