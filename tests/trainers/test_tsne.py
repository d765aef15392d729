"""Tests of t-SNE in a process of its own."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from trainers.jobs.start import REPOSITORY
from trainers.ranks import LAUNCHER
from trainers.runs import Run
from trainers.tsne import FILE, SMALLEST, main, tsne
from ui.components.latest import stamp_of
from ui.views.run.places import progress


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


def test_it_goes_on_for_as_long_as_is_told(monkeypatch, capsys):
    monkeypatch.setattr("trainers.tsne.ITERATIONS", 250)
    tsne(clusters()[0], tell=True)
    told = capsys.readouterr().out
    assert "Iteration 250:" in told
    assert "Iteration 300:" not in told


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


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path)
    features, labels = clusters()
    beliefs = np.zeros((30, 2), np.float32)
    np.savez(run.predictions, probabilities=beliefs, features=features, labels=labels)
    return run


def test_the_command_lays_a_run_out_and_tells_how_far_it_is(run, capsys):
    assert main([str(run.path)]) == 0
    with np.load(run.path / FILE) as found:
        np.testing.assert_allclose(found["places"], tsne(clusters()[0]), atol=1e-3)
        assert found["stamp"].tolist() == list(stamp_of(run.predictions))
    told = capsys.readouterr().out
    assert "[t-SNE] Iteration 50: error" in told
    assert progress(told) > 0.2


@pytest.mark.parametrize("few", [0, 3])
def test_what_is_wrong_is_told_and_no_file_is_left(run, capsys, few):
    np.savez(run.predictions, probabilities=np.zeros((few, 2)))
    if few:
        beliefs = np.zeros((few, 2))
        np.savez(run.predictions, probabilities=beliefs, features=beliefs)
    assert main([str(run.path)]) == 2
    assert ("N >= 5" if few else "no features") in capsys.readouterr().err
    assert not (run.path / FILE).exists()


def test_it_ends_with_its_keeper_and_loads_no_torch(run):
    code = "import sys, trainers.tsne; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
    words = [sys.executable, "-m", "trainers.tsne", str(run.path)]
    environment = {**os.environ, LAUNCHER: "1999999999"}  # a keeper that is no more
    done = subprocess.run(words, env=environment, check=False, cwd=REPOSITORY)
    assert done.returncode == -signal.SIGTERM
    assert not (run.path / FILE).exists()
