"""Inputs that several tests of the package share."""

import numpy as np


def softmax(logits):
    """Return the softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def random_probabilities(*shape, seed=0, scale=2.0, dtype=np.float64):
    """Return probabilities of the shape; a larger scale makes them more certain."""
    logits = np.random.default_rng(seed).normal(scale=scale, size=shape)
    return softmax(logits).astype(dtype)


def random_labels(num_examples, num_classes, seed=1):
    """Return labels of which every class is one, given as many examples as classes."""
    labels = np.arange(num_examples) % num_classes
    return np.random.default_rng(seed).permutation(labels)


def two_classes(*second):
    """Return rows (1 - p, p) for the given probabilities p of the second class."""
    second = np.array(second, dtype=np.float64)
    return np.stack([1 - second, second], axis=-1)


def calibrated(num_examples, num_classes, seed, cluster=1):
    """Return predictions that are right by construction, labels and clusters.

    The members of a cluster have the same probabilities and the same label.
    """
    rng = np.random.default_rng(seed)
    count = num_examples // cluster
    logits = np.repeat(rng.normal(scale=2.0, size=(count, num_classes)), cluster, 0)
    rows, uniform = softmax(logits), np.repeat(rng.random(count), cluster)
    labels = (rows.cumsum(axis=1) < uniform[:, None]).sum(axis=1)
    return rows, labels.clip(0, num_classes - 1), np.repeat(np.arange(count), cluster)
