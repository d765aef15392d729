"""What happens to a batch between the dataset and the network.

It is mixed with the one before, then a part of each image is erased. The random numbers
depend on seed and step alone and are drawn for the whole batch, so the number of ranks
changes nothing and a resumed run goes on in the same stream.
"""

from typing import final

import numpy as np
import torch
from torch import Tensor

from trainers import erasing
from trainers.batches import DeviceSplit
from trainers.config import TrainingConfig
from trainers.mixup import RunningMixup


@final
class Augmentation:
    """Takes batches from a split as the configuration wants them.

    Args:
        config: Its `mixup` and `random_erasing` decide.
        data: The training split, with examples of every class.
    """

    def __init__(self, config: TrainingConfig, data: DeviceSplit) -> None:
        self.data, self.config = data, config
        self.mixup: RunningMixup | None = None
        if config.mixup:
            num_classes = int(data.labels.max()) + 1
            self.mixup = RunningMixup(config.mixup, num_classes, config.seed)

    def batch(self, batch: Tensor, share: slice, step: int) -> tuple[Tensor, Tensor]:
        """A rank's share of a batch.

        Args:
            batch: Rows of the whole batch in the split [N].
            share: The part of it that is wanted.
            step: Steps before this one.

        Returns:
            Normalised inputs, and classes or, of mixed ones, probabilities of classes.
        """
        if self.mixup is None:
            inputs, targets = self.data.take(batch[share])
        else:  # needs all of it, for the batches that come
            mixed = self.mixup.mix(*self.data.take(batch), step)
            inputs, targets = (part[share] for part in mixed)
        if self.config.random_erasing:
            inputs = self._erased(inputs, len(batch), share, step)
        return inputs, targets

    def _erased(self, inputs: Tensor, total: int, share: slice, step: int) -> Tensor:
        height, width = inputs.shape[-2:]
        rectangles = erasing.draw_rectangles(
            total, (height, width), self.config.random_erasing,
            np.random.default_rng((self.config.seed, step, erasing.STREAM)),
        )  # fmt: skip
        places = torch.from_numpy(rectangles[share]).to(inputs.device)
        return erasing.erase(inputs, places)

    def state_dict(self) -> dict[str, Tensor]:
        """What the next batch depends on beside seed and step."""
        return self.mixup.state_dict() if self.mixup else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` gave."""
        if self.mixup is not None:
            self.mixup.load_state_dict(state)
