"""Tests of batches and of normalisation on the device."""

import numpy as np
import pytest
import torch

from data.arrays import Normalisation, Split
from trainers.batches import DeviceSplit, batch_sizes, epoch_rows

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("num", "size", "expected"),
    [
        (10, 4, [4, 4, 2]),
        (9, 4, [4, 4]),
        (8, 4, [4, 4]),
        (3, 4, [3]),
        (1, 4, [1]),
        (3, 1, [1, 1, 1]),
        (5, 1_000_000, [5]),
    ],
)
def test_the_last_batch_is_never_a_single_example_beside_others(num, size, expected):
    assert batch_sizes(num, size) == expected


def test_an_epoch_is_a_permutation():
    rows = epoch_rows(103, 10, 0, 0, CPU)
    assert [len(batch) for batch in rows] == [10] * 10 + [3]
    assert sorted(torch.cat(rows).tolist()) == list(range(103))


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return torch.cat(epoch_rows(50, 7, seed, epoch, CPU)).tolist()

    first = order(1, 2)
    torch.rand(5)
    assert order(1, 2) == first
    assert len({tuple(order(s, e)) for s in range(3) for e in range(3)}) == 9


def test_the_caller_s_generator_is_left_alone():
    state = torch.get_rng_state()
    epoch_rows(50, 7, 0, 0, CPU)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_the_largest_seed_and_epoch_are_possible(seed):
    assert len(epoch_rows(4, 2, seed, 99_999, CPU)) == 2


def test_images_are_normalised_from_bytes():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)
    source = Split.whole(images, rng.integers(0, 2, 20))
    split = DeviceSplit.of(source, Normalisation.fit(images), CPU)
    inputs, labels = split.take(torch.arange(20))
    assert inputs.dtype == torch.float32
    assert split.inputs.dtype == torch.uint8
    torch.testing.assert_close(
        inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0
    )
    deviation = inputs.std((0, 2, 3), correction=0)
    torch.testing.assert_close(deviation, torch.ones(3), atol=1e-4, rtol=0)
    assert labels.tolist() == source.labels.tolist()


def test_points_are_normalised_as_they_are():
    points = np.array([[1.0, 10.0], [3.0, 30.0]], dtype=np.float32)
    source = Split.whole(points, np.array([0, 1]))
    split = DeviceSplit.of(source, Normalisation.fit(points), CPU)
    expected = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    torch.testing.assert_close(split.take(torch.tensor([0, 1]))[0], expected)


def test_all_examples_come_in_order():
    points = np.arange(14, dtype=np.float32).reshape(7, 2)
    source = Split.whole(points, np.zeros(7, dtype=np.int64))
    split = DeviceSplit.of(source, Normalisation.fit(points), CPU)
    batches = list(split.in_order(3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert torch.equal(torch.cat(batches), split.take(torch.arange(7))[0])
    assert len(split) == 7
