"""The learning rate by step, and the momentum that may follow it."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from trainers.abilities import Scheduled
from trainers.config import COSINE, POLYNOMIAL, TrainingConfig


def build_scheduler(
    config: TrainingConfig, optimizer: Optimizer, total_steps: int
) -> LambdaLR:
    """The schedule of a run.

    Args:
        config: Its `schedule` decides, and `couple_momentum`.
        optimizer: The optimizer; one that is `Scheduled` decides itself.
        total_steps: Steps of the whole run, >= 1.

    Returns:
        A scheduler to step after each optimizer step.
    """
    if isinstance(optimizer, Scheduled):
        return LambdaLR(optimizer, optimizer.lr_factor)
    kind = CoupledSchedule if config.couple_momentum else LambdaLR
    return kind(optimizer, _shape(config, total_steps))


def _shape(config: TrainingConfig, total_steps: int) -> Callable[[int], float]:
    """Learning rate by step, as a share of that of the first one."""
    if config.schedule == COSINE:
        return lambda step: cosine(step / total_steps)
    if config.schedule == POLYNOMIAL:
        start, end = config.decay_start, config.decay_end or config.epochs
        return lambda step: polynomial(
            step * config.epochs / total_steps, start, end, config.decay_power
        )
    return lambda _: 1.0


def cosine(progress: float) -> float:
    """Half a cosine, from 1 at the start to 0 at the end of the run."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def polynomial(epoch: float, start: float, end: float, power: float) -> float:
    """1 up to `start`, then a power of the share of the way that is left to `end`.

    Args:
        epoch: Epochs done, with the fraction of the one that is under way.
        start: Epoch at which the fall begins.
        end: Epoch at which 0 is reached, > start.
        power: >= 0; 1 falls in a line.

    Returns:
        A number in [0, 1].
    """
    left = (end - epoch) / (end - start)
    return float(min(1.0, max(0.0, left)) ** power)


class CoupledSchedule(LambdaLR):
    """A schedule that multiplies the momentum by what it multiplies the rate by.

    So momentum / learning rate stays what it is at the start, as in SP-NGD (Osawa et
    al. 2020): steps that get shorter also remember less.

    Args:
        optimizer: One whose groups have a "momentum".
        shape: Share of learning rate and momentum by step, 1 at step 0.
    """

    def __init__(self, optimizer: Optimizer, shape: Callable[[int], float]) -> None:
        # Before the learning rate is set for the first time; kept in `state_dict`.
        self.base_momenta = [group["momentum"] for group in optimizer.param_groups]
        super().__init__(optimizer, shape)

    def step(self, epoch: int | None = None) -> None:
        """Set learning rate and momentum for the next step."""
        super().step(epoch)
        groups = zip(
            self.optimizer.param_groups, self.base_momenta, self.base_lrs, strict=True
        )
        for group, momentum, rate in groups:
            group["momentum"] = momentum * (group["lr"] / rate)
