"""Tests of what happens to a batch before the network gets it."""

import pytest
import torch

from trainers.augmentation import Augmentation
from trainers.batches import DeviceSplit
from trainers.config import TrainingConfig
from trainers.ranks import Ranks, share

WHOLE = slice(None)


def split(num=30, classes=3):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(1, 256, (num, 1, 8, 8), generator=generator)
    return DeviceSplit(
        inputs.to(torch.uint8), torch.arange(num) % classes,
        torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1),
    )  # fmt: skip


def augmentation(**settings):
    return Augmentation(TrainingConfig(**settings), split())


def test_without_any_a_batch_is_what_the_split_gives():
    rows = torch.tensor([4, 0, 9, 2])
    inputs, labels = augmentation().batch(rows, slice(1, 3), 5)
    expected = split().take(rows[1:3])
    assert torch.equal(inputs, expected[0])
    assert torch.equal(labels, expected[1])
    assert augmentation().state_dict() == {}


def test_images_are_erased_after_they_were_mixed_and_kept_whole_for_the_next():
    settings = {"mixup": 0.4, "seed": 3}
    erasing = augmentation(random_erasing=1.0, **settings)
    whole = augmentation(**settings)
    for step in range(3):
        rows = torch.arange(step, step + 10)
        erased, targets = erasing.batch(rows, WHOLE, step)
        mixed, expected = whole.batch(rows, WHOLE, step)
        assert torch.equal(targets, expected)
        gone = erased == 0
        assert gone.flatten(1).any(1).all()
        assert torch.equal(erased[~gone], mixed[~gone])
        assert torch.equal(erasing.state_dict()["inputs"], mixed)


def test_every_step_erases_elsewhere():
    erasing = augmentation(random_erasing=1.0)
    rows = torch.arange(10)
    first, second, again = (
        erasing.batch(rows, WHOLE, step)[0] == 0 for step in (1, 2, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_shares_of_the_ranks_are_those_of_one_process(size):
    settings = {"mixup": 0.4, "random_erasing": 0.5}
    alone = augmentation(**settings)
    ranks = [augmentation(**settings) for _ in range(size)]
    for step, rows in enumerate(torch.arange(30).split(9)):  # the last one is smaller
        expected = alone.batch(rows, WHOLE, step)
        parts = [
            each.batch(rows, share(len(rows), Ranks(rank, size)), step)
            for rank, each in enumerate(ranks)
        ]
        for found, whole in zip(zip(*parts, strict=True), expected, strict=True):
            assert torch.equal(torch.cat(found), whole)
    for each in ranks:
        for name, tensor in alone.state_dict().items():
            assert torch.equal(each.state_dict()[name], tensor)


def test_it_goes_on_from_its_state():
    settings = {"mixup": 0.4, "random_erasing": 0.5}
    before = augmentation(**settings)
    for step in range(3):
        before.batch(torch.arange(step, step + 8), WHOLE, step)
    after = augmentation(**settings)
    after.load_state_dict(before.state_dict())
    rows = torch.arange(20, 28)
    for found, expected in zip(
        after.batch(rows, WHOLE, 3), before.batch(rows, WHOLE, 3), strict=True
    ):
        assert torch.equal(found, expected)


def test_mixed_labels_have_a_column_for_every_class():
    _, targets = augmentation(mixup=1.0).batch(torch.tensor([0, 3]), WHOLE, 0)
    assert targets.tolist() == [[1, 0, 0], [1, 0, 0]]
