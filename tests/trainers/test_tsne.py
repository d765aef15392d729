"""Tests of t-SNE in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest

from trainers.jobs.start import REPOSITORY
from trainers.tsne import SMALLEST, main, tsne


def clusters(count=30, dimensions=80):
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 20, (2, dimensions))
    labels = np.arange(count) % 2
    return centres[labels] + rng.normal(0, 1, (count, dimensions)), labels


def test_clusters_stay_apart_and_places_are_the_same_each_time():
    features, labels = clusters()
    places = tsne(features)
    assert places.shape == (30, 2)
    np.testing.assert_array_equal(places, tsne(features))
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(labels[distances.argmin(axis=1)], labels)


@pytest.mark.parametrize("features", [np.ones((6, 1)), np.zeros((7, 3)), np.eye(5)])
def test_features_that_say_little_are_laid_out_all_the_same(features):
    places = tsne(features)
    assert places.shape == (len(features), 2)
    assert np.isfinite(places).all()


@pytest.mark.parametrize(
    ("features", "told"),
    [(np.zeros((SMALLEST - 1, 3)), "N >= 5"), (np.zeros(9), "N >= 5"),
     (np.full((9, 2), np.nan), "finite")],
)  # fmt: skip
def test_what_cannot_be_laid_out_is_refused(features, told):
    with pytest.raises(ValueError, match=told):
        tsne(features)


def test_the_command_writes_a_file_and_loads_no_torch(tmp_path):
    source, target = tmp_path / "features.npy", tmp_path / "places.npy"
    np.save(source, clusters()[0])
    assert main([str(source), str(target)]) == 0
    np.testing.assert_array_equal(np.load(target), tsne(np.load(source)))
    code = "import sys, trainers.tsne; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_no_pickle_is_loaded(tmp_path):
    source = tmp_path / "features.npy"
    np.save(source, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        main([str(source), str(tmp_path / "places.npy")])
