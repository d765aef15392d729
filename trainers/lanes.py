"""What is trained side by side: one network, or the members of an ensemble.

A lane is a network with its optimizer and its own stream of batches. A plain run has
one, whose batches the ranks share out. An ensemble has one a member; the ranks share
out the members, and each takes whole batches. A member is trained as the plain run with
its seed would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainers.abilities import OfMembers, averages_over_ranks
from trainers.augmentation import Augmentation
from trainers.batches import DeviceSplit, epoch_rows
from trainers.config import TrainingConfig
from trainers.group import Group
from trainers.ranks import share
from trainers.rescaling import rescaled_weights
from trainers.steps import gradients


@dataclass(frozen=True, eq=False)
class Lane:
    """A network in training.

    Args:
        network: What is called: the network, or it in DistributedDataParallel.
        optimizer: Takes its gradients.
        augmentation: Gives its batches.
        seed: Of their order.
    """

    network: nn.Module
    optimizer: Optimizer
    augmentation: Augmentation
    seed: int


@dataclass(frozen=True, eq=False)
class Passes:
    """What the passes of a step gave, over the rows of this rank.

    Args:
        loss: Mean loss.
        correct: Right predictions; of several networks their mean.
        share: Weight of this rank in the mean loss, in examples.
        total: Examples of a whole batch.
    """

    loss: Tensor
    correct: Tensor
    share: float
    total: int


@final
class Lanes:
    """The lanes of this process.

    Args:
        config: Batches, seed and augmentation.
        model: The network.
        optimizer: Its optimizer, or that of an ensemble whose first network it is.
        data: The training split.
        group: The ranks.

    Raises:
        ValueError: If an ensemble has fewer members than there are ranks, or is to mix
            its batches over several, which checkpoints then would not have.
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: nn.Module,
        optimizer: Optimizer,
        data: DeviceSplit,
        group: Group,
    ) -> None:
        self._config, self._data, self._group = config, data, group
        self._members = isinstance(optimizer, OfMembers)
        self._averages = averages_over_ranks(optimizer)
        if not isinstance(optimizer, OfMembers):
            network = model if self._averages else group.parallel(model)
            augmentation = Augmentation(config, data)
            self._num = 1
            self.lanes = [Lane(network, optimizer, augmentation, config.seed)]
            return
        if config.mixup and group.ranks.size > 1:
            raise ValueError(
                "mixup must be 0 for an ensemble that several processes share out, "
                f"got {config.mixup:g}."
            )
        self._num = len(optimizer.members)
        if group.ranks.size > self._num:
            raise ValueError(
                f"num_processes must be at most {self._num}, the number of members of "
                f"the ensemble, which they share out, got {group.ranks.size}."
            )
        self.lanes = [
            Lane(
                member.model,
                member.optimizer,
                Augmentation(replace(config, seed=member.seed), data),
                member.seed,
            )
            for member in optimizer.own
        ]

    def train(self) -> None:
        """Put the networks into train mode."""
        for lane in self.lanes:
            lane.network.train()

    def rescaled_weights(self) -> list[Tensor]:
        """Of all networks, the weights of `trainers.rescaling`."""
        return [w for lane in self.lanes for w in rescaled_weights(lane.network)]

    def epoch(self, number: int) -> list[tuple[Tensor, ...]]:
        """The rows of every batch of an epoch: of each step one batch a lane."""
        device = self._data.labels.device
        orders = [
            epoch_rows(
                len(self._data), self._config.batch_size, lane.seed, number, device
            )
            for lane in self.lanes
        ]
        return list(zip(*orders, strict=True))

    def passes(self, batches: Sequence[Tensor], step: int) -> Passes:
        """Forward and backward passes of a step, in every lane.

        Args:
            batches: One element of `epoch`.
            step: Steps before this one.

        Returns:
            What they gave.
        """
        if not self._members:
            return self._shared(batches[0], step)
        found = [
            self._gradients(lane, batch, slice(None), step)
            for lane, batch in zip(self.lanes, batches, strict=True)
        ]
        losses, corrects = map(torch.stack, zip(*found, strict=True))
        total = len(batches[0])
        weight = total * len(found) / self._num
        return Passes(losses.mean(), corrects.sum() / self._num, weight, total)

    def _shared(self, batch: Tensor, step: int) -> Passes:
        """The rows of a batch that fall to this rank."""
        ranks, total = self._group.ranks, len(batch)
        rows = share(total, ranks)
        own = len(batch[rows])
        # Who waits for others' gradients has to compute some: without rows of its own
        # a rank takes all of such a small batch, with no weight.
        rows = rows if own or self._averages else slice(total)
        weight = 1.0 if self._averages else own * ranks.size / total
        found = self._gradients(self.lanes[0], batch, rows, step, weight)
        return Passes(*found, own, total)

    def _gradients(
        self, lane: Lane, batch: Tensor, rows: slice, step: int, weight: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        return gradients(
            lane.network, lane.optimizer, *lane.augmentation.batch(batch, rows, step),
            weight, self._config.label_smoothing,
        )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """What the next batches depend on beside seeds and step."""
        if not self._members:
            return self.lanes[0].augmentation.state_dict()
        return {
            str(lane.seed): lane.augmentation.state_dict()
            for lane in self.lanes
            if lane.augmentation.state_dict()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        if not self._members:
            self.lanes[0].augmentation.load_state_dict(state)
            return
        for lane in self.lanes:
            lane.augmentation.load_state_dict(state.get(str(lane.seed), {}))
