"""The snapshot ensemble: one training with restarts, the end of each cycle a member.

Paper: Huang, Li, Pleiss, Liu, Hopcroft, Weinberger (2017), "Snapshot Ensembles: Train
1, get M for free", arXiv:1704.00109, equation 2 and section 3.

SGD with momentum whose learning rate falls to 0 along half a cosine in each of `cycles`
cycles (`vogn_app.optim.cyclic`); the weights at the end of each are kept. Symbols:

    w   the parameters themselves
    v   state["momentum_buffer"]              sum of past d, 0 at first
    d   parameter.grad + weight_decay w       of the mean loss over a batch

    v <- momentum v + d
    w <- w - lr v,        with nesterov w - lr (d + momentum v)

Departures from the paper: the lengths of cycles (`vogn_app.optim.cyclic`). All members
predict, where the paper also tries the last few.
"""

from typing import Any

from torch import nn

from .collecting import Params, sgd_step
from .cyclic import cosine_factor, cycles_for, kept_steps
from .descent import MOMENTUM, check_descent
from .groups import AUTO
from .keeping import KeepingOptimizer
from .loading import check_shapes

# What "auto" cycles are, and at least how many steps each has: found on validation data
# of digits.
MOST_CYCLES, SHORTEST_CYCLE = 5, 100


class SnapshotEnsemble(KeepingOptimizer):
    """SGD with restarts that keeps the weights at the end of each cycle.

    The loop is that of any torch optimizer. The learning rate follows
    `LambdaLR(optimizer, optimizer.lr_factor)`, stepped after each step. Settings marked
    * may differ between parameter groups.

    Args:
        model: The network.
        num_steps: Steps of the whole training, >= 1. Later ones keep nothing more, at
            the learning rate 0 of the end.
        lr: * Learning rate >= 0, that of the start of each cycle.
        momentum: * Weight of the past velocity, in [0, 1).
        weight_decay: * L2 penalty on the weights, >= 0.
        nesterov: * Whether to look ahead along the velocity.
        cycles: Cycles, >= 1, and so members; each takes the memory of the weights, on
            their device and in every checkpoint. "auto", the default, is 5, or fewer in
            trainings under 500 steps, whose members would have learnt little. Of more
            cycles than steps there is one a step.
        params: Parameters or parameter groups, all of them the model's; by default
            every parameter that requires a gradient.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    `posterior()` is a mixture of the members so far, each with BatchNorm's statistics
    as they then were; `has_posterior` says whether there are any.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = SnapshotEnsemble(model, num_steps=40)
        >>> schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, optimizer.lr_factor)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> for _ in range(40):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        ...     optimizer.step()
        ...     schedule.step()
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    method = "SnapshotEnsemble"
    _planned = (*KeepingOptimizer._planned, "cycles")

    def __init__(
        self,
        model: nn.Module,
        *,
        num_steps: int,
        lr: float = 0.05,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        nesterov: bool = False,
        cycles: int | str = AUTO,
        params: Params | None = None,
    ) -> None:
        self.cycles = cycles_for(
            cycles, num_steps, most=MOST_CYCLES, shortest=SHORTEST_CYCLE
        )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(
            model,
            params,
            defaults,
            num_steps=num_steps,
            keep_after=kept_steps(num_steps, self.cycles, self.cycles),
        )

    def lr_factor(self, step: int) -> float:
        """Share of the learning rate at a step, for `LambdaLR`.

        Args:
            step: Counted from 0.

        Returns:
            Half a cosine from 1 down to 0 in each cycle; 0 after the last.
        """
        return cosine_factor(step, self.num_steps, self.cycles)

    def _check_group(self, group: dict[str, Any]) -> None:
        check_descent(group)

    def _update(self) -> None:
        for group in self.param_groups:
            sgd_step(group, self.state)

    def _load_own(self, state: dict[str, Any]) -> None:
        check_shapes(self.param_groups, state, (MOMENTUM,))
        super()._load_own(state)
