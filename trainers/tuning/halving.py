"""Successive halving: after which epochs the worse trials are ended. Torch-free.

Jamieson and Talwalkar (2016), arXiv:1502.07943, as it is done one trial after the other
by Li et al. (2020), arXiv:1810.05934: at a rung a trial goes on if it is among the best
1 / factor of all trials that have been there. Optuna's pruner decides; a trial that
diverged stands there as the worst.
"""

from dataclasses import dataclass

from trainers.checks import check_int


@dataclass(frozen=True, kw_only=True)
class Halving:
    """How long a trial may train, and where it may be ended.

    Args:
        max_epochs: Epochs of a trial that is never ended early.
        min_epochs: Epochs of every trial.
        factor: Of the trials at a rung one in so many goes on.
    """

    max_epochs: int
    min_epochs: int = 1
    factor: int = 3

    def __post_init__(self) -> None:
        check_int("max_epochs", self.max_epochs, 1, 100_000)
        check_int("min_epochs", self.min_epochs, 1, self.max_epochs)
        check_int("factor", self.factor, 2, 100)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which a trial may be ended, the last epoch not among them."""
        rungs, epoch = [], self.min_epochs
        while epoch < self.max_epochs:
            rungs.append(epoch)
            epoch *= self.factor
        return tuple(rungs)

    @property
    def budgets(self) -> tuple[int, ...]:
        """All numbers of epochs that a trial may end with, the full one last."""
        return (*self.rungs, self.max_epochs)

    def next_rung(self, epoch: int) -> int:
        """The first rung that a trial has not left behind after so many epochs."""
        return next((rung for rung in self.budgets if rung >= epoch), self.max_epochs)
