"""SGHMC, stochastic-gradient Hamiltonian Monte Carlo.

Paper: Chen, Fox, Guestrin (2014), "Stochastic Gradient Hamiltonian Monte Carlo",
arXiv:1402.4102, equation 15; with the cycles of Zhang et al. (2020), arXiv:1902.03932.

Symbols beside those of `vogn_app.optim.monte_carlo`:
    w    the parameters themselves
    v    state["momentum_buffer"]   velocity, 0 at first
    g    parameter.grad             gradient of the mean loss over a batch
    xi   standard normal

    v <- momentum v - lr (g + (delta / N) w) + sqrt(2 (1 - momentum) lr tau / N) xi
    w <- w + v

This is the paper's equation with eta = lr / N, alpha = 1 - momentum and its estimate of
the noise of batches, beta, at 0; N times the gradient of a mean loss is that of the
sum. With momentum 0 it is SGLD. Steps are as long as SGLD's with the learning rate
lr / (1 - momentum).

On a quadratic loss with curvature h the recursion is linear. With k = lr (h + delta/N)
and q^2 = 2 (1 - momentum) lr tau / N its stationary variances are

    Var w = q^2 (1 + momentum) / (k (1 - momentum) (2 (1 + momentum) - k)),
    Var v = 2 q^2 / ((1 - momentum) (2 (1 + momentum) - k)),    Cov(w, v) = Var v / 2,

so Var w = tau / (N h + delta) / (1 - k / (2 (1 + momentum))): the error of steps that
are not small, besides which there is the noise of batches.

Departure from the paper: the velocity is never drawn anew.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_number
from .collecting import Params
from .descent import MOMENTUM, buffer_of
from .groups import AUTO, Setting, num_effective
from .loading import check_shapes
from .monte_carlo import MonteCarloOptimizer, prior_share


class SGHMC(MonteCarloOptimizer):
    """Samples weights from the posterior by steps with momentum, friction and noise.

    The loop is that of any torch optimizer, and arguments are those of `SGLD`, but for
    these:

    Args:
        model: The network.
        num_data: * Size of the training set, >= 1.
        num_steps: Steps of the whole training, >= 1.
        lr: * Learning rate >= 0, the largest of a cycle, as that of SGD with momentum.
        momentum: * Weight of the past velocity, in [0, 1); its complement is
            the friction.
        prior_precision: * delta >= 0; "auto", the default, is N / 1200.
        temperature: * tau >= 0.
        cycles: How often the learning rate starts anew, >= 1; "auto", the default, is
            4, or fewer in trainings under 8000 steps.
        exploration: Share of a cycle, in [0, 1), before its noise begins.
        num_kept: How many weights are kept, >= 1; each takes the memory of the weights.
        annealed: Whether `lr_factor` falls to 0 in each cycle, or is 1 throughout.
        augmentation_factor: * How many examples an augmented one counts for, > 0; 1.
        seed: Seed of the noise; the same on all ranks.
        params: Parameters or parameter groups, all of them the model's.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = SGHMC(model, num_data=100, num_steps=40, annealed=False)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> for _ in range(40):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        ...     optimizer.step()
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    method = "SGHMC"

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        num_steps: int,
        lr: float = 0.05,
        momentum: float = 0.9,
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
            "momentum": momentum,
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

    def _check_group(self, group: dict[str, Any]) -> None:
        super()._check_group(group)
        check_number(
            "momentum", group["momentum"], minimum=0, maximum=1, open_maximum=True
        )

    def _move(
        self, members: list[Tensor], group: dict[str, Any], noise: list[Tensor] | None
    ) -> None:
        gradients = [p.grad for p in members if p.grad is not None]
        velocities = [buffer_of(self.state[p], p) for p in members]
        sghmc_update(members, gradients, velocities, noise, group)

    def _load_own(self, state: dict[str, Any]) -> None:
        check_shapes(self.param_groups, state, (MOMENTUM,))
        super()._load_own(state)


def sghmc_update(
    weights: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    noise: list[Tensor] | None,
    group: dict[str, Any],
) -> None:
    """One step in place, equations of the module docstring.

    Args:
        weights: w, changed.
        gradients: g, left alone.
        velocities: v, changed.
        noise: xi, left alone; None for a step without noise.
        group: Settings of the parameter group.
    """
    lr, momentum = group["lr"], group["momentum"]
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_add_(velocities, gradients, alpha=-lr)
    if share := prior_share(group):
        torch._foreach_add_(velocities, weights, alpha=-lr * share)
    if noise is not None:
        variance = 2 * (1 - momentum) * lr * group["temperature"] / num_effective(group)
        torch._foreach_add_(velocities, noise, alpha=math.sqrt(variance))
    torch._foreach_add_(weights, velocities)
