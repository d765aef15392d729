"""Tests of permuted images."""

import numpy as np
import pytest
import torch

from data.loaders import load_dataset
from tests.trainers.continual.examples import settings
from trainers.continual.tasks import TaskStream, image_rows, pixel_order


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


def stream_of(data, **others):
    return TaskStream(data, settings(**others), torch.device("cpu"))


def test_the_first_task_shows_images_as_they_are_and_others_an_order_each():
    orders = [pixel_order(task, 64, seed=3) for task in range(4)]
    assert torch.equal(orders[0], torch.arange(64))
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(64))
    assert len({tuple(order.tolist()) for order in orders}) == 4
    assert torch.equal(pixel_order(2, 64, seed=3), orders[2])
    assert not torch.equal(pixel_order(2, 64, seed=4), orders[2])


def test_the_images_of_a_task_are_chosen_once():
    rows = image_rows(100, 10, seed=0)
    assert len(rows.unique()) == 10
    assert torch.equal(image_rows(100, 10, seed=0), rows)
    assert torch.equal(image_rows(100, 0, seed=0), torch.arange(100))
    with pytest.raises(ValueError, match=r"num_train must be <= 100, .* got 101\."):
        image_rows(100, 101, seed=0)


def test_an_epoch_shows_each_image_once_in_the_order_of_its_task(data):
    stream = stream_of(data)
    (whole,) = stream_of(data, batch_size=120).in_order(1)
    batches = list(stream.batches(1, 0))
    assert [len(labels) for _, labels in batches] == [40, 40, 40]
    seen = torch.cat([inputs for inputs, _ in batches])
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, whole.tolist()))
    (plain,) = stream.in_order(0)
    assert torch.equal(plain[:, pixel_order(1, 64, 0)], whole)
    assert plain.mean().abs() < 0.2  # normalised


def test_orders_differ_by_epoch_and_repeat(data):
    stream = stream_of(data, epochs=2)
    first, second, again = (
        torch.cat([labels for _, labels in stream.batches(0, epoch)])
        for epoch in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_joint_batches_mix_all_tasks_so_far(data):
    stream = stream_of(data)
    seen = torch.cat([inputs for inputs, _ in stream.batches(1, 0, joint=True)])
    assert len(seen) == 240
    parts = [torch.cat(list(stream.in_order(task))) for task in (0, 1)]
    expected = sorted(map(tuple, torch.cat(parts).tolist()))
    assert sorted(map(tuple, seen.tolist())) == expected
    assert stream.num_steps(2) == 6 == len(list(stream.batches(1, 0, joint=True)))


def test_tests_are_of_the_test_images_or_of_held_out_ones(data):
    for validate, part in ((False, data.test), (True, data.validation)):
        stream = stream_of(data, validate=validate)
        inputs, labels = (
            torch.cat(each) for each in zip(*stream.tests(1), strict=True)
        )
        assert np.array_equal(labels.numpy(), part.labels)
        plain = torch.from_numpy(data.normalisation.apply(part.inputs)).flatten(1)
        expected = plain[:, pixel_order(1, 64, 0)]
        torch.testing.assert_close(inputs, expected, rtol=1e-4, atol=1e-5)
