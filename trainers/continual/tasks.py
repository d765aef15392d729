"""Permuted images: the same images in every task, their pixels in another order.

A network without convolutions finds each order as hard as any other, and what it knows
of one order is of no use for the next: nothing but memory links the tasks.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from data.arrays import LoadedDataset
from trainers.batches import DeviceSplit, batch_sizes, epoch_rows
from trainers.continual.settings import ContinualSettings

TEST_BATCH = 2000  # images that are judged at a time
_ORDERS, _IMAGES = 2**40, 2**41  # keep generators apart from those of batches


def pixel_order(task: int, num_pixels: int, seed: int) -> Tensor:
    """The order in which a task shows the pixels; the first shows them as they are.

    Args:
        task: From 0; its order depends on it and on the seed alone.
        num_pixels: Channels x height x width.
        seed: Of the run.

    Returns:
        Pixel numbers, int64 [num_pixels].
    """
    if task == 0:
        return torch.arange(num_pixels)
    generator = torch.Generator().manual_seed(_ORDERS + 128 * seed + task)
    return torch.randperm(num_pixels, generator=generator)


def image_rows(num_images: int, wanted: int, seed: int) -> Tensor:
    """Which training images are used: all, or so many of them chosen at random.

    Args:
        num_images: How many there are.
        wanted: How many to use; 0 for all.
        seed: Of the choice.

    Returns:
        Their rows, in rising order.

    Raises:
        ValueError: If there are not so many.
    """
    if wanted > num_images:
        raise ValueError(
            f"num_train must be <= {num_images}, the training images there are, got "
            f"{wanted}."
        )
    generator = torch.Generator().manual_seed(_IMAGES + seed)
    chosen = torch.randperm(num_images, generator=generator)[: wanted or num_images]
    return chosen.sort().values


class TaskStream:
    """The batches and tests of every task, on a device.

    Args:
        data: The images.
        settings: Which tasks.
        device: Where they go.
    """

    def __init__(
        self, data: LoadedDataset, settings: ContinualSettings, device: torch.device
    ) -> None:
        rows = image_rows(len(data.train), settings.num_train, settings.split_seed)
        judged = data.validation if settings.validate else data.test
        self.train = DeviceSplit.of(
            data.train.take(rows.numpy()), data.normalisation, device
        )
        self.test = DeviceSplit.of(judged, data.normalisation, device)
        self.num_pixels = self.train.inputs[0].numel()
        self.num_classes = data.num_classes
        self.device = device
        self._settings = settings
        self._orders = torch.stack([
            pixel_order(task, self.num_pixels, settings.seed)
            for task in range(settings.tasks)
        ]).to(device)

    def num_steps(self, num_tasks: int = 1) -> int:
        """Steps of learning from so many tasks at once."""
        sizes = batch_sizes(num_tasks * len(self.train), self._settings.batch_size)
        return len(sizes) * self._settings.epochs

    def batches(
        self, task: int, epoch: int, joint: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch in random order.

        Args:
            task: From 0.
            epoch: Of this task, from 0; all methods see the same order.
            joint: Whether to show all tasks up to this one, mixed.

        Yields:
            Inputs [B, pixels] and labels [B].
        """
        settings, num = self._settings, len(self.train)
        number = task * settings.epochs + epoch
        for rows in epoch_rows(
            num * (task + 1 if joint else 1), settings.batch_size, settings.seed,
            number, self.device,
        ):  # fmt: skip
            inputs, labels = self.train.take(rows % num)
            tasks = rows // num if joint else torch.full_like(rows, task)
            yield inputs.flatten(1).gather(1, self._orders[tasks]), labels

    def in_order(self, task: int) -> Iterator[Tensor]:
        """The training images of a task, in order.

        Args:
            task: From 0.

        Yields:
            Inputs [B, pixels].
        """
        rows = torch.arange(len(self.train), device=self.device)
        for some in rows.split(TEST_BATCH):
            inputs, _ = self.train.take(some)
            yield inputs.flatten(1)[:, self._orders[task]]

    def tests(self, task: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The images that a task is judged on.

        Args:
            task: From 0.

        Yields:
            Inputs [B, pixels] and labels [B].
        """
        labels = self.test.labels.split(TEST_BATCH)
        for inputs, right in zip(self.test.in_order(TEST_BATCH), labels, strict=True):
            yield inputs.flatten(1)[:, self._orders[task]], right
