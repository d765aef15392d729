"""Tests of the stratified split: a partition, proportional, and repeatable."""

import numpy as np
import pytest

from data.splits import stratified_split

FRACTIONS = [
    (0.7, 0.1, 0.2),
    (0.9, 0.1),
    (0.8, 0.0, 0.2),
    (1 / 3, 1 / 3, 1 / 3),
    (1.0,),
]


def random_labels(seed, num_classes=5, smallest=3):
    """Draw labels of classes whose sizes differ widely."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(smallest, 60, num_classes)
    return generator.permutation(np.repeat(np.arange(num_classes), sizes))


@pytest.mark.parametrize("fractions", FRACTIONS)
@pytest.mark.parametrize("seed", range(8))
def test_parts_are_a_sorted_partition(fractions, seed):
    labels = random_labels(seed)
    parts = stratified_split(labels, fractions, seed)
    assert len(parts) == len(fractions)
    assert all((np.diff(part) > 0).all() for part in parts)
    assert all(part.dtype == np.int64 for part in parts)
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(labels)))


@pytest.mark.parametrize("fractions", FRACTIONS)
@pytest.mark.parametrize("seed", range(8))
def test_every_class_is_within_one_example_of_its_share(fractions, seed):
    labels = random_labels(seed, smallest=10)
    counts = np.bincount(labels)
    for part, fraction in zip(
        stratified_split(labels, fractions, seed), fractions, strict=True
    ):
        shares = np.bincount(labels[part], minlength=len(counts))
        assert (np.abs(shares - fraction * counts) < 1).all()


@pytest.mark.parametrize("seed", range(8))
def test_every_part_has_every_class_however_small(seed):
    labels = random_labels(seed)
    for part in stratified_split(labels, (0.9, 0.05, 0.05), seed):
        assert set(labels[part]) == set(labels)


def test_smallest_class_gives_one_example_to_each_part():
    labels = np.array([0, 0, 0, 1, 1, 1])
    parts = stratified_split(labels, (0.98, 0.01, 0.01), seed=0)
    assert [labels[part].tolist() for part in parts] == [[0, 1]] * 3


def test_shares_that_are_whole_numbers_are_exact():
    labels = np.repeat([0, 1], 10)
    parts = stratified_split(labels, (0.7, 0.1, 0.2), seed=0)
    assert [len(part) for part in parts] == [14, 2, 4]


def test_largest_remainder_is_rounded_up():
    # 7 examples: quotas 4.9, 0.7 and 1.4 become 5, 1 and 1.
    parts = stratified_split(np.repeat([0, 1], 7), (0.7, 0.1, 0.2), seed=0)
    assert [len(part) for part in parts] == [10, 2, 2]


def test_fraction_0_gives_an_empty_part():
    train, nothing = stratified_split(np.array([0, 1]), (1.0, 0.0), seed=0)
    assert train.tolist() == [0, 1]
    assert nothing.shape == (0,)
    assert nothing.dtype == np.int64


def test_equal_seeds_give_equal_splits_and_others_differ():
    labels = random_labels(0)
    first, again, other = (
        stratified_split(labels, (0.5, 0.5), s)[0] for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0, 1, 1, 1],
            r"every class at least 2 times, once a split, got 1 of class 0\.",
        ),
        ([1, 1, 1], "of at least two classes, got 1 in 3 examples"),
        ([], "of at least two classes, got 0 in 0 examples"),
        ([0, 0, 2, 2], r"use every class from 0 to 2, got none of class 1\."),
        ([0, -1], r"labels must be at least 0, got -1\."),
    ],
)
def test_bad_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        stratified_split(np.array(labels, dtype=np.int64), (0.5, 0.5), seed=0)


@pytest.mark.parametrize("labels", [np.zeros((2, 2), np.int64), np.zeros(3)])
def test_labels_of_another_kind_are_refused(labels):
    with pytest.raises(
        ValueError, match=r"labels must be integers of shape \[N\], got"
    ):
        stratified_split(labels, (0.5, 0.5), seed=0)


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ((1.2, -0.2), r"fractions must each be in \[0, 1\], got 1\.2\."),
        ((1.0, -0.1), r"fractions must each be in \[0, 1\], got -0\.1\."),
        ((0.5, float("nan")), r"fractions must each be in \[0, 1\], got nan\."),
        ((0.5, 0.4), r"fractions must add up to 1, got 0\.9\."),
    ],
)
def test_bad_fractions_are_refused(fractions, message):
    with pytest.raises(ValueError, match=message):
        stratified_split(np.array([0, 0, 1, 1]), fractions, seed=0)
