"""SGLD, stochastic-gradient Langevin dynamics.

Paper: Welling and Teh (2011), "Bayesian Learning via Stochastic Gradient Langevin
Dynamics", equation 4; with the cycles of Zhang et al. (2020), arXiv:1902.03932.

Symbols beside those of `vogn_app.optim.monte_carlo`:
    w    the parameters themselves
    g    parameter.grad       gradient of the mean loss over a batch
    xi   standard normal

    w <- w - lr (g + (delta / N) w) + sqrt(2 lr tau / N) xi

This is the paper's step with its epsilon = 2 lr / N and, at tau = 1, its noise of
variance epsilon: losses here are means, and N times their gradient is that of the sum.
The noise has to know N. Code that adds noise of the variance 2 lr to a step of the mean
loss samples the posterior of a single example, sqrt(N) times as wide; where it then
scales the noise by a constant (0.01 is the default in TorchUncertainty, which takes no
N), it samples at a temperature of 1e-4 N that grows with the data: 1 for N = 10,000.

On a quadratic loss with curvature h the recursion is linear: with
a = 1 - lr (h + delta / N) its stationary variance is (2 lr tau / N) / (1 - a^2), which
is tau / (N h + delta) / (1 - lr (h + delta / N) / 2). The last factor is the error of
steps that are not small. Another is the noise of batches, which the step adds on top:
of a variance of about lr^2 against the lr of its own, it matters less the smaller lr.

Departures from the paper: cycles in place of a single decay by a power of the step;
weights of steps are kept and count alike, where the paper weighs them by step size.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from .collecting import Params
from .groups import AUTO, Setting, num_effective
from .monte_carlo import MonteCarloOptimizer, prior_share


class SGLD(MonteCarloOptimizer):
    """Samples weights from the posterior by gradient steps with noise.

    The loop is that of any torch optimizer; the loss is the mean over the batch. The
    learning rate follows `LambdaLR(optimizer, optimizer.lr_factor)`, stepped after each
    step; without it, take `annealed=False`. Settings marked * may differ between
    parameter groups.

    Args:
        model: The network.
        num_data: * Size of the training set, >= 1: how much evidence there is.
        num_steps: Steps of the whole training, >= 1. Later ones keep nothing more, at
            the learning rate of the end (0 with cycles).
        lr: * Learning rate >= 0, the largest of a cycle; does not depend on N.
        prior_precision: * delta >= 0; "auto", the default, is N / 1200, as strong as a
            usual weight decay.
        temperature: * tau >= 0; below 1 the posterior is colder, that is narrower.
        cycles: How often the learning rate starts anew, >= 1; 1 for the plain method.
            "auto", the default, is 4, or fewer in trainings under 8000 steps, whose
            cycles would leave networks that have learnt little.
        exploration: Share of a cycle, in [0, 1), before its noise begins; the burn-in.
        num_kept: How many weights are kept, >= 1, over all cycles: evenly over what
            follows the exploration. Each takes the memory of the weights, on their
            device and in every checkpoint, and prediction the time of one more network.
            A training with fewer such steps keeps fewer.
        annealed: Whether `lr_factor` falls to 0 in each cycle, or is 1 throughout.
        augmentation_factor: * How many examples an augmented one counts for, > 0; 1.
        seed: Seed of the noise, which never touches torch's global generator; the same
            on all ranks, whose chains then stay the same.
        params: Parameters or parameter groups, all of them the model's; by default
            every parameter that requires a gradient. Those without a gradient at a
            step, frozen ones included, stand still.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    `posterior()` is a mixture of the kept weights, each with BatchNorm's statistics as
    they then were; `has_posterior` says whether there are any.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = SGLD(model, num_data=100, num_steps=40)
        >>> schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, optimizer.lr_factor)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> for _ in range(40):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        ...     optimizer.step()
        ...     schedule.step()
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    method = "SGLD"

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        num_steps: int,
        lr: float = 0.2,
        prior_precision: Setting = AUTO,
        temperature: float = 1.0,
        cycles: int | str = AUTO,
        exploration: float = 0.8,
        num_kept: int = 20,
        annealed: bool = True,
        augmentation_factor: float = 1.0,
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "prior_precision": prior_precision,
            "temperature": temperature,
            "num_data": num_data,
            "augmentation_factor": augmentation_factor,
        }
        super().__init__(
            model,
            params,
            defaults,
            num_steps=num_steps,
            cycles=cycles,
            exploration=exploration,
            num_kept=num_kept,
            annealed=annealed,
            seed=seed,
        )

    def _move(
        self, members: list[Tensor], group: dict[str, Any], noise: list[Tensor] | None
    ) -> None:
        gradients = [p.grad for p in members if p.grad is not None]
        sgld_update(members, gradients, noise, group)


def sgld_update(
    weights: list[Tensor],
    gradients: list[Tensor],
    noise: list[Tensor] | None,
    group: dict[str, Any],
) -> None:
    """One step in place, equation of the module docstring.

    Args:
        weights: w, changed.
        gradients: g, left alone.
        noise: xi, left alone; None for a step without noise.
        group: Settings of the parameter group.
    """
    lr = group["lr"]
    if share := prior_share(group):
        torch._foreach_mul_(weights, 1 - lr * share)
    torch._foreach_add_(weights, gradients, alpha=-lr)
    if noise is not None:
        deviation = math.sqrt(2 * lr * group["temperature"] / num_effective(group))
        torch._foreach_add_(weights, noise, alpha=deviation)
