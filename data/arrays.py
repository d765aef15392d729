"""The arrays a loaded dataset is made of, and how they are normalised."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from data.catalogue import DatasetSpec

_CHUNK = 2**22  # values in float64 at a time: 32 MiB


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a dataset.

    Args:
        inputs: Images as uint8 [N, C, H, W], or points as float32 [N, 2].
        labels: Classes 0, 1, ... as int64 [N].
        indices: Row in the source set each example came from, int64 [N]. An official
            test part is a source set of its own.

    Raises:
        ValueError: The three differ in length.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]

    def __post_init__(self) -> None:
        lengths = len(self.inputs), len(self.labels), len(self.indices)
        if len(set(lengths)) != 1:
            raise ValueError(
                f"inputs, labels and indices must be of one length, got {lengths}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def whole(cls, inputs: NDArray[Any], labels: NDArray[Any]) -> Self:
        """Make a source set: every example is its own row.

        Args:
            inputs: [N, ...].
            labels: [N], of any integer type.
        """
        rows = np.arange(len(inputs), dtype=np.int64)
        return cls(inputs, labels.astype(np.int64), rows)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Copy out the examples at `rows` [M] of this part, in that order."""
        return type(self)(self.inputs[rows], self.labels[rows], self.indices[rows])


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Shift and scale that bring each channel to mean 0 and deviation 1.

    Fitted on the training part alone, and applied with those same constants to every
    other part and to out-of-distribution inputs.

    Args:
        mean: float32 [C], images on the scale 0..1, points on their own.
        std: float32 [C], on the same scale; 1 for a channel that never varies.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def fit(cls, inputs: NDArray[Any]) -> Self:
        """Measure mean and deviation (with divisor N) of each channel.

        Args:
            inputs: uint8 [N, C, H, W] or float32 [N, C], of the training part.

        Raises:
            ValueError: There are no inputs.
        """
        if inputs.size == 0:
            raise ValueError(
                f"inputs must hold at least one example, got shape {inputs.shape}."
            )
        mean = _channel_mean(inputs, lambda chunk: chunk)
        # Two passes: a mean of squares less a squared mean cancels for far-off points.
        centre = _by_channel(mean, inputs.ndim)
        std = np.sqrt(_channel_mean(inputs, lambda chunk: (chunk - centre) ** 2))
        std = np.where(std > 0, std, 1.0)
        return cls(mean.astype(np.float32), std.astype(np.float32))

    def apply(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise `inputs` [N, C, ...]; uint8 is divided by 255 first.

        Raises:
            ValueError: The inputs have another number of channels.
        """
        if inputs.ndim < 2 or inputs.shape[1] != len(self.mean):
            raise ValueError(
                f"inputs must have {len(self.mean)} channels on axis 1, "
                f"got shape {inputs.shape}."
            )
        scaled = inputs.astype(np.float32)
        if inputs.dtype == np.uint8:
            scaled /= 255
        scaled -= _by_channel(self.mean, inputs.ndim)
        scaled /= _by_channel(self.std, inputs.ndim)
        return scaled


@dataclass(frozen=True, eq=False)
class LoadedDataset:
    """A dataset ready to train on.

    Args:
        spec: Its entry in the catalogue.
        class_names: Names in label order, those of the sub-folders for a folder.
        train: Training part.
        validation: Validation part, of length 0 where none was asked for.
        test: Test part.
        normalisation: Constants of the training part.
    """

    spec: DatasetSpec
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    normalisation: Normalisation

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: (C, H, W) or (2,)."""
        return self.train.inputs.shape[1:]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def _by_channel(values: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Shape `values` [C] so that they broadcast over axis 1 of `ndim` axes."""
    return values.reshape(-1, *[1] * (ndim - 2))


def _channel_mean(
    inputs: NDArray[Any], function: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[np.float64]:
    """Average `function` of the scaled inputs over all axes but 1, as float64 [C]."""
    axes = (0, *range(2, inputs.ndim))
    total = sum(function(chunk).sum(axis=axes) for chunk in _chunks(inputs))
    return np.asarray(total / (inputs.size // inputs.shape[1]), dtype=np.float64)


def _chunks(inputs: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield the inputs in float64 a few at a time, images divided by 255."""
    scale = 255.0 if inputs.dtype == np.uint8 else 1.0
    step = max(1, _CHUNK * len(inputs) // inputs.size)
    for start in range(0, len(inputs), step):
        yield inputs[start : start + step].astype(np.float64) / scale
