"""Arrays on a device, and the batches of an epoch.

All of a dataset stays on the device as it was read (bytes for images) and is normalised
batch by batch. The order of an epoch depends on the seed and the epoch's number alone,
so a resumed run goes on in the middle of one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from data.arrays import Normalisation, Split
from trainers.config import TrainingConfig


@dataclass(frozen=True)
class DeviceSplit:
    """One part of a dataset on a device.

    Args:
        inputs: uint8 [N, C, H, W] or float32 [N, D].
        labels: int64 [N].
        mean: Mean by channel, in the shape that broadcasts over a batch.
        scale: One over the deviation by channel, likewise.
    """

    inputs: Tensor
    labels: Tensor
    mean: Tensor
    scale: Tensor

    @classmethod
    def of(
        cls, split: Split, normalisation: Normalisation, device: torch.device
    ) -> "DeviceSplit":
        """Move a split to a device, to be normalised with the given constants."""
        inputs = torch.from_numpy(split.inputs)
        shape = (1, -1) + (1,) * (inputs.ndim - 2)
        mean = torch.from_numpy(normalisation.mean).reshape(shape)
        deviation = torch.from_numpy(normalisation.std).reshape(shape)
        if inputs.dtype == torch.uint8:  # the constants are those of inputs / 255
            mean, deviation = mean * 255, deviation * 255
        labels = torch.from_numpy(split.labels)
        tensors = (inputs, labels, mean, 1 / deviation)
        return cls(*(tensor.to(device) for tensor in tensors))

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self, inputs: Tensor) -> Tensor:
        """Inputs as float32 of mean 0 and deviation 1 over the training split."""
        return (inputs.float() - self.mean) * self.scale

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised inputs and labels of the given rows."""
        return self.normalised(self.inputs[rows]), self.labels[rows]

    def labelled(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised inputs and labels, a batch at a time, in order."""
        labels = torch.split(self.labels, batch_size)
        yield from zip(self.in_order(batch_size), labels, strict=True)

    def in_order(self, batch_size: int) -> Iterator[Tensor]:
        """Normalised inputs, a batch at a time, in order."""
        for inputs in torch.split(self.inputs, batch_size):
            yield self.normalised(inputs)


def batch_sizes(num_examples: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches.

    A last batch of a single example is left out unless it is the only one: BatchNorm
    has no statistics for it.
    """
    sizes = [batch_size] * (num_examples // batch_size)
    rest = num_examples % batch_size
    return sizes + [rest] if rest > 1 or (rest and not sizes) else sizes


def num_steps(num_examples: int, config: TrainingConfig) -> int:
    """Steps of a whole training on so many examples."""
    return len(batch_sizes(num_examples, config.batch_size)) * config.epochs


def epoch_rows(
    num_examples: int, batch_size: int, seed: int, epoch: int, device: torch.device
) -> list[Tensor]:
    """The rows of every batch of an epoch, in random order.

    Args:
        num_examples: Size of the split.
        batch_size: Examples a batch.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        device: Where the rows are wanted.

    Returns:
        Index tensors, one a batch.
    """
    # 2^20 epochs apart: no two (seed, epoch) share a stream.
    generator = torch.Generator().manual_seed(seed * 2**20 + epoch)
    order = torch.randperm(num_examples, generator=generator).to(device)
    sizes = batch_sizes(num_examples, batch_size)
    return list(torch.split(order[: sum(sizes)], sizes))
