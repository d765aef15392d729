"""SWAG, stochastic weight averaging with a Gaussian around the average.

Paper: Maddox, Garipov, Izmailov, Vetrov, Wilson (2019), "A Simple Baseline for Bayesian
Uncertainty in Deep Learning", arXiv:1902.02476, algorithm 1 and equation 1; the
schedule of the learning rate is that of its experiments.

SGD with momentum runs to the neighbourhood of a solution and then wanders there at a
constant learning rate. What it passes gives mean and covariance of a Gaussian.

Symbols:
    theta_i          the weights at the i-th collection, i = 1 ... T
    mean, variance   of all theta_i
    d_i              theta_i - mean of the first i
    K  max_rank      how many of the last d_i are kept

    w = mean + sqrt(scale / 2) (sqrt(variance) z_1 + sum_k d_k z_2k / sqrt(K - 1))

with standard normal z_1 of the shape of the weights and one number z_2k a deviation.

Departures from the paper:
    1. The variance is accumulated as such (`vogn_app.optim.weight_moments`). The
       paper's difference of the means of theta^2 and theta cancels: where weights of
       size 1 vary by 1e-4 it is rounding alone, and negative values must be clamped.
    2. How often weights are collected follows by default from the length of the tail,
       so that about K are; the paper takes one an epoch.
    3. Running statistics of BatchNorm are renewed once, for the averaged weights, not
       for every draw, which costs a pass over the training data each. Who wants that
       calls `renew_running_statistics(model, batches)` in a block of
       `posterior.sampled(model, index=k)`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_number, check_positive, check_whole
from ..posterior import GaussianPosterior, LowRankPosterior
from .collecting import NUM_STEPS, CollectingOptimizer, Params, sgd_step
from .descent import MOMENTUM, check_descent
from .groups import AUTO
from .loading import check_shapes
from .running_statistics import renew_running_statistics
from .tail import checked_interval, falling
from .weight_moments import COLLECTED, WeightMoments

FINISHED = "finished"  # key of state_dict()
_START, _INTERVAL, _MAX_RANK = "start", "interval", "max_rank"


class SWAG(CollectingOptimizer):
    """SGD with momentum, and a Gaussian of low rank around its averaged weights.

    Its loop is that of any optimizer, with `LambdaLR(optimizer, optimizer.lr_factor)`
    as its schedule and `finish` at its end. Settings marked * may differ between
    parameter groups.

    Args:
        model: The network.
        num_steps: Steps of the whole training, >= 2.
        lr: * Learning rate of the beginning, >= 0; 0.05.
        momentum: * Weight of the past steps in their sum, in [0, 1); 0.9.
        weight_decay: * L2 penalty >= 0; 5e-4.
        start: Share of the steps before the first collection, in [0, 1); 0.75.
        interval: Steps from one collection to the next, >= 1; "auto", the default, so
            that K to 2 K are made, or as many as the tail has steps, if it has fewer
            than K. The last step is always one, and at least two are made.
        max_rank: K >= 2, deviations that are kept, or as many as there are collections
            in `num_steps`, if they are fewer: as many copies of the weights. 20.
        scale: Factor of the covariance of draws, > 0; 1 is the paper's.
        tail_lr: Share of `lr` in the tail, in (0, 1]; 0.2 as in the paper's VGG and
            PreResNet. It decides how far the weights wander, and so how wide the
            Gaussian is.
        params: Parameters or parameter groups, as for any torch optimizer, all of them
            the model's; by default every parameter that requires a gradient. Others
            are without noise.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    Under DistributedDataParallel all ranks collect the same weights.

    State:
        `state[p]` holds "momentum_buffer"; `state_dict()` adds what was collected.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = SWAG(model, num_steps=8)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, optimizer.lr_factor)
        >>> for _ in range(8):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        ...     optimizer.step()
        ...     schedule.step()
        >>> optimizer.finish(lambda: [(x, y)])
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    method = "SWAG"
    _planned = (NUM_STEPS, _START, _INTERVAL, _MAX_RANK)
    _copied = (
        *CollectingOptimizer._copied, "scale", "tail_lr", "_first", "_finished",
        "_moments",
    )  # fmt: skip

    def __init__(
        self,
        model: nn.Module,
        *,
        num_steps: int,
        lr: float = 0.05,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        start: float = 0.75,
        interval: int | str = AUTO,
        max_rank: int = 20,
        scale: float = 1.0,
        tail_lr: float = 0.2,
        params: Params | None = None,
    ) -> None:
        check_whole("num_steps", num_steps, minimum=2)
        self.start = check_number(
            "start", start, minimum=0, maximum=1, open_maximum=True
        )
        self._first = min(int(start * num_steps), num_steps - 2)  # steps without any
        self.max_rank = check_whole("max_rank", max_rank, minimum=2)
        tail = num_steps - self._first
        self.interval = checked_interval(interval, tail, self.max_rank)
        self.scale = check_positive("scale", scale)
        self.tail_lr = check_number(
            "tail_lr", tail_lr, minimum=0, maximum=1, open_minimum=True
        )
        rank = min(self.max_rank, -(-tail // self.interval))
        self._moments, self._finished = WeightMoments(rank), False
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(model, params, defaults, num_steps=num_steps)

    def _check_group(self, group: dict[str, Any]) -> None:
        check_descent(group)
        if self.num_collected:
            raise ValueError(
                "param_group must be added before weights are collected, got "
                f"{self.num_collected} collections."
            )

    def lr_factor(self, step: int) -> float:
        """Share of the learning rate at a step, in (0, 1].

        Args:
            step: Steps done.

        Returns:
            1 to begin with; falling in a line over the part from 0.5 to 0.9 of the way
            to the tail, to `tail_lr`, which stays.
        """
        return falling(step, self._first, self.tail_lr)

    def _update(self) -> None:
        for group in self.param_groups:
            sgd_step(group, self.state)

    def _collect(self) -> None:
        self._finished = False
        late = self.steps_done > self._first
        # Counted from the end, so that the last weights are among the collected ones.
        if not late or (self.num_steps - self.steps_done) % self.interval:
            return
        self._moments.add(self._members())

    @property
    def num_collected(self) -> int:
        """How often weights have been collected."""
        return self._moments.count

    @property
    def has_posterior(self) -> bool:
        """Whether two weights have been collected, as a covariance takes."""
        return self.num_collected >= 2

    def posterior(self) -> LowRankPosterior:
        """The Gaussian of what has been collected, without the optimizer.

        Its buffers, such as BatchNorm's running statistics, are those of the model:
        before `finish` those of the weights that are being trained.

        Returns:
            Copies: later steps change nothing in it.

        Raises:
            RuntimeError: If fewer than two weights have been collected.
        """
        if not self.has_posterior:
            raise RuntimeError(
                "posterior must be called after two weights have been collected, from "
                f"step {self._first + 1} on, got {self.num_collected} by step "
                f"{self.steps_done}."
            )
        found = self._moments
        own = GaussianPosterior.from_model(self.network, {}, prior_precision={})
        device = next(iter(own.mean.values())).device  # frameworks move models
        return LowRankPosterior(
            mean={
                n: found.means.get(n, p).to(p, copy=True) for n, p in own.mean.items()
            },
            variance={n: m.to(device) / found.count for n, m in found.squares.items()},
            deviations={
                n: d[: found.rank].to(device, copy=True)
                for n, d in found.deviations.items()
            },
            scale=self.scale,
            buffers=own.buffers,
            metadata={"method": self.method, COLLECTED: found.count},
        )

    @torch.no_grad()
    def finish(self, batches: Callable[[], Iterable[Any]]) -> None:
        """Put the averaged weights into the model, with running statistics of theirs.

        Called again it does nothing, until a further step is made, nor does it before
        anything has been collected. Without BatchNorm no batch is asked for; where
        there is SyncBatchNorm all ranks must call it. After an exception, of the
        batches' for example, the model has the weights and statistics that it had.

        Args:
            batches: Goes through the training data anew: tuples of inputs and labels,
                or inputs alone.

        Raises:
            ValueError: If there is BatchNorm, and no batch of two examples or more.
        """
        if self._finished or not self.num_collected:
            return
        trained = {name: p.clone() for name, p in self._members().items()}
        self._put(self._moments.means)
        try:
            renew_running_statistics(self.network, batches())
        except BaseException:
            self._put(trained)
            raise
        self._finished = True

    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self._members().items():
            parameter.copy_(weights[name])

    def _own_state(self) -> dict[str, Any]:
        return {**self._moments.state(), FINISHED: self._finished}

    def _load_own(self, state: dict[str, Any]) -> None:
        check_shapes(self.param_groups, state, (MOMENTUM,))
        self._moments.load(state, self._members())
        self._finished = state[FINISHED]
