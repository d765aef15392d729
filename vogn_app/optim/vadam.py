"""Vadam, variational Adam: Adam at drawn weights.

Paper: Khan, Nielsen, Tangkaratt, Lin, Gal, Srivastava (2018), "Fast and Scalable
Bayesian Deep Learning by Weight-Perturbation in Adam", arXiv:1806.04854, section 3.4
and figure 1.

It seeks the Gaussian of VOGN, q(w) = N(mu, diag(1 / P)), at Adam's cost, by two
approximations: the curvature is the square of the mean gradient of a batch, in place of
the mean of the squares, and the step divides by its root.

Symbols, where they are not those of `vogn_app.optim.vogn`:
    s0     initial_curvature         forgotten as s learns
    v      state["curvature"]        running mean of g^2, from 0
    s      v + curvature_decay^t s0  curvature in the precision
    m      state["momentum_buffer"]  running mean of g + (tau delta / N) mu

    w  ~  N(mu, diag(1 / P)),     P = (N (s + gamma) + tau delta) / tau
    m  <- momentum m + (1 - momentum) (g + (tau delta / N) mu)
    v  <- curvature_decay v + (1 - curvature_decay) g^2
    mu <- mu - lr m_hat / (sqrt(v_hat) + tau delta / N + 1e-8)
    m_hat = m / (1 - momentum^t),  v_hat = v / (1 - curvature_decay^t)

The paper writes alpha for lr, lambda for delta, gamma_1 and gamma_2 for the decays.

The square of a mean over N_b examples that differ is about an N_b-th of the mean of the
squares: N v understates the curvature, the more the larger the batch, and the posterior
is too wide unless gamma or delta hold it. The root is no natural gradient either, so
that no fixed point is exact. It is here to be compared with; `IVON` costs as much.

Departures from the paper:
    1. The temperature tau, which multiplies delta in the step and divides N in P, as in
       VOGN; they agree at tau = 1.
    2. The paper starts with s = 0, the noise of the prior, at which a network learns
       nothing. Its authors' code starts s elsewhere and divides that too by
       1 - curvature_decay^t, which makes the first steps tiny; here s0 counts in P
       alone.
    3. gamma bounds the noise, and only that: the paper's prior precision has to be
       large for the purpose, which pulls the weights as well.
    4. Adam's 1e-8, against division by 0 without a prior.
    5. Several draws are averaged before g is squared: one draw of a batch K times as
       large, to the curvature.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .. import kernels
from ..distributed import DEFAULT_GROUP, Group
from .diagonal import CURVATURE, MOMENTUM, STEP, DiagonalOptimizer, Line
from .groups import (
    AUTO,
    AUTO_PRIOR,
    Prior,
    Rules,
    Setting,
    precision_line,
    prior_weight,
)
from .sampled import Params
from .unsquared import UnsquaredOptimizer

# What "auto" stands for, with N the number of examples; the noise does not exceed
# 1 / sqrt(AUTO_DAMPING) by much.
AUTO_CURVATURE = 16_000.0  # over N
AUTO_DAMPING = 4000.0  # over N
EPSILON = 1e-8  # as in Adam


class Vadam(UnsquaredOptimizer, DiagonalOptimizer):
    """Adam whose gradients are taken at weights drawn from a Gaussian posterior.

    Settings marked * may differ between parameter groups. "auto" lets a setting follow
    N = num_data * augmentation_factor.

    Args:
        model: The network; it must itself be called, with the examples in the first
            dimension.
        num_data: * Size of the training set, >= 1: how much evidence there is.
        lr: * Learning rate > 0; 0.01, since the prior in the step makes it slower than
            Adam.
        momentum: * Weight of the past in the gradient average, in [0, 1); 0.9.
        curvature_decay: * Weight of the past in the average of squares, in [0, 1);
            0.999.
        initial_curvature: * s before any data, > 0; "auto", the default, is 16000 / N.
        prior_precision: * delta >= 0: larger pulls the weights to zero. A number, or
            numbers by parameter name or shell pattern, {"head.*": 5.0}, of which the
            first that fits counts. "auto", the default and what nothing fits, is
            N / 1200.
        temperature: * tau > 0, the weight of the KL term.
        temperature_warmup: * Steps >= 0 over which tau rises in a line from
            `initial_temperature` to `temperature`; 0, the default, for none.
        initial_temperature: * tau at the start of the warm-up, > 0; 0.01.
        damping: * gamma >= 0, added to the curvature in the precision alone: bounds the
            noise by 1 / sqrt(N gamma / tau). "auto", the default, is 4000 / N; 0 is the
            paper's, which most networks do not learn with.
        weight_decay: * Decoupled weight decay >= 0, mu <- (1 - lr weight_decay) mu
            before the step; 0, since the prior does that.
        augmentation_factor: * How many examples an augmented one counts for, > 0; 1.
        num_samples: Weight samples that `step(closure)` draws, >= 1; 1.
        loss_reduction: "mean" or "sum" over the examples of a batch, as the loss does.
        batch_norm: "deterministic" trains BatchNorm's scale and shift without noise and
            prior; "sampled" treats them as all others.
        automatic: Whether forward passes of the model in train mode begin blocks by
            themselves, as `VOGN` says.
        process_group: The ranks to train with: "default", a group, or None for none.
            Each rank draws its own noise, and g is averaged over the examples of all.
        seed: Seed of the weight noise, which never touches torch's global generator;
            the same on all ranks.
        params: Parameters or parameter groups, all of them the model's; by default
            every parameter that requires a gradient.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    State:
        `state[p]` holds "momentum_buffer" and "curvature", which is v, in the shape of
        p, and "step"; `state_dict()` adds the noise's position and `num_steps`.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = Vadam(model, num_data=100)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> with optimizer.sampled_params(train=True):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
    """

    _method: ClassVar[str] = "Vadam"
    _rules: ClassVar[Rules] = {
        "initial_curvature": lambda num: AUTO_CURVATURE / num,
        "damping": lambda num: AUTO_DAMPING / num,
        "prior_precision": lambda num: AUTO_PRIOR * num,
    }

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        lr: float = 1e-2,
        momentum: float = 0.9,
        curvature_decay: float = 0.999,
        initial_curvature: Setting = AUTO,
        prior_precision: Prior = AUTO,
        temperature: float = 1.0,
        temperature_warmup: int = 0,
        initial_temperature: float = 0.01,
        damping: Setting = AUTO,
        weight_decay: float = 0.0,
        augmentation_factor: float = 1.0,
        num_samples: int = 1,
        loss_reduction: str = "mean",
        batch_norm: str = "deterministic",
        automatic: bool = False,
        process_group: Group = DEFAULT_GROUP,
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        settings = {
            "lr": lr,
            "momentum": momentum,
            "curvature_decay": curvature_decay,
            "initial_curvature": initial_curvature,
            "prior_precision": prior_precision,
            "temperature": temperature,
            "temperature_warmup": temperature_warmup,
            "initial_temperature": initial_temperature,
            "damping": damping,
            "weight_decay": weight_decay,
            "num_data": num_data,
            "augmentation_factor": augmentation_factor,
            "sampled": True,
        }
        super().__init__(
            model,
            params,
            settings,
            batch_norm=batch_norm,
            num_samples=num_samples,
            loss_reduction=loss_reduction,
            automatic=automatic,
            process_group=process_group,
            seed=seed,
        )

    def _first_curvature(self, group: dict[str, Any]) -> float:  # noqa: ARG002
        return 0.0

    def _line(self, parameter: Tensor, group: dict[str, Any]) -> Line:
        slope, offset = precision_line(group)
        steps = self._state(parameter, group)[STEP]
        start = group["curvature_decay"] ** steps * group["initial_curvature"]
        return slope, offset + slope * start

    def _refreshes(self) -> bool:
        """Whether anything beside the gradients is averaged: nothing."""
        return False

    @torch.no_grad()
    def _update(self, squares: dict[nn.Parameter, Tensor] | None) -> None:  # noqa: ARG002
        for group in self._tempered_groups():
            members = [p for p in group["params"] if p.grad is not None]
            states = [self._state(p, group) for p in members]
            for state in states:
                state[STEP] += 1
            vadam_update(
                members,
                [p.grad for p in members if p.grad is not None],
                [state[MOMENTUM] for state in states],
                [state[CURVATURE] for state in states],
                [state[STEP] for state in states],
                group,
            )


def vadam_update(
    means: Sequence[Tensor],
    gradients: list[Tensor],
    momenta: list[Tensor],
    curvatures: list[Tensor],
    steps: list[int],
    group: dict[str, Any],
) -> None:
    """One Vadam step in place, equations of the module docstring.

    Args:
        means: mu, changed.
        gradients: g, left alone.
        momenta: m, changed.
        curvatures: v, changed.
        steps: Number of this step for each parameter, from 1.
        group: Settings of the parameter group, at its present temperature.
    """
    means = list(means)
    if not means:
        return
    beta, decay = group["momentum"], group["curvature_decay"]
    prior = prior_weight(group)
    rates = [group["lr"] / (1 - beta**step) for step in steps]
    corrections = [1 / (1 - decay**step) for step in steps]
    if group["weight_decay"]:
        torch._foreach_mul_(means, 1 - group["lr"] * group["weight_decay"])
    if kernels.supports(*means, *gradients, *momenta, *curvatures):
        kernels.vadam_update_(
            means, gradients, momenta, curvatures, rates, corrections,
            momentum=beta, decay=decay, prior=prior, floor=prior + EPSILON,
        )  # fmt: skip
        return
    torch._foreach_mul_(momenta, beta)
    torch._foreach_add_(momenta, gradients, alpha=1 - beta)
    if prior:
        torch._foreach_add_(momenta, means, alpha=(1 - beta) * prior)
    torch._foreach_mul_(curvatures, decay)
    torch._foreach_addcmul_(curvatures, gradients, gradients, 1 - decay)
    scales = list(torch._foreach_mul(curvatures, corrections))
    torch._foreach_sqrt_(scales)
    torch._foreach_add_(scales, prior + EPSILON)
    torch._foreach_addcdiv_(means, momenta, scales, [-rate for rate in rates])
