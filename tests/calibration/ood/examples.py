"""Scores and features that several tests of detection share."""

import numpy as np

# Every measure of two sets of scores, to be run through the same edges.
EDGES = {
    "separate": ([0.0, 1.0, 2.0], [3.0, 4.0]),
    "the wrong way round": ([3.0, 4.0], [0.0, 1.0, 2.0]),
    "all equal": ([1.0] * 4, [1.0] * 3),
    "one of each": ([0.0], [1.0]),
    "one in-distribution": ([0.5], [0.0, 1.0, 2.0]),
    "one OOD": ([0.0, 1.0, 2.0], [0.5]),
    "huge": ([-1e300, 0.0], [1e300, 1e-300]),
}


def random_scores(seed, tied, sizes=(173, 60)):
    """Return in-distribution and OOD scores, in steps of 1 where tied."""
    rng = np.random.default_rng(seed)
    sides = rng.normal(0, 1, sizes[0]), rng.normal(1, 2, sizes[1])
    return [np.round(side, 0 if tied else 9) for side in sides]


def as_binary(in_scores, out_scores):
    """Return labels (OOD is 1) and scores as scikit-learn takes them."""
    labels = np.repeat([0, 1], [len(in_scores), len(out_scores)])
    return labels, np.concatenate([in_scores, out_scores])


def blobs(num_examples=200, dimension=5, num_classes=3, seed=0, apart=6.0):
    """Return features of Gaussian classes and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_examples) % num_classes
    means = apart * rng.normal(size=(num_classes, dimension))
    mixing = rng.normal(size=(dimension, dimension))
    noise = rng.normal(size=(num_examples, dimension)) @ mixing
    return means[labels] + noise, labels
