"""Tests of the generated points."""

import numpy as np
import pytest

from data.catalogue import DATASETS
from data.toys import TOYS


def test_every_points_set_of_the_catalogue_can_be_drawn():
    assert set(TOYS) == {name for name, s in DATASETS.items() if s.kind == "points"}


@pytest.mark.parametrize("name", TOYS)
def test_points_are_what_the_catalogue_says(name):
    points, labels = TOYS[name](0)
    spec = DATASETS[name]
    assert points.shape == (spec.train_size, *spec.shape)
    assert points.dtype == np.float32
    assert labels.dtype == np.int64
    counts = np.bincount(labels)
    assert len(counts) == spec.num_classes
    assert np.ptp(counts) <= 1


@pytest.mark.parametrize("name", TOYS)
def test_points_depend_on_the_seed_alone(name):
    first, again, other = (TOYS[name](seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("name", TOYS)
def test_a_nearest_neighbour_knows_the_class(name):
    """At most 5 % of points lie next to another class: noise is modest."""
    points, labels = TOYS[name](0)
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).mean() > 0.95


def test_class_names_of_blobs_and_moons_say_where_they_are():
    points, labels = TOYS["blobs"](0)
    for label, name in enumerate(DATASETS["blobs"].class_names):
        x, y = points[labels == label].mean(axis=0)
        assert name == f"{'north' if y > 0 else 'south'}-{'east' if x > 0 else 'west'}"
    points, labels = TOYS["moons"](0)
    assert points[labels == 0, 1].mean() > points[labels == 1, 1].mean()
