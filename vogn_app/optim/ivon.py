"""IVON, improved variational online Newton.

Paper: Shen, Daheim, Cong, Nickl, Marconi, Bazan, Yokota, Gurevych, Cremers, Khan,
Moellenhoff (2024), "Variational Learning is Effective for Large Deep Networks",
arXiv:2402.17641, algorithm 1; the correction that keeps the precision positive is that
of Lin, Schmidt, Khan (2020), arXiv:2002.10060.

It learns the Gaussian that VOGN learns, q(w) = N(mu, diag(1 / P)), but takes the
curvature from the noise itself: by Stein's identity P E[(w - mu) g(w)] is the diagonal
of the mean Hessian. So no gradients of single examples are needed, and a step costs
about what AdamW's does; the estimate is far noisier than VOGN's.

Symbols, where they are not those of `vogn_app.optim.vogn`:
    s      state["curvature"]        running mean of f: of the loss's second derivatives
    m      state["momentum_buffer"]  running mean of g, without the prior
    u      mean over draws of (w - mu) g
    f      u P                       estimate of the second derivatives
    c      s + gamma + tau delta / N
    xi     clip_radius               largest change of a weight, before lr

    w  ~  N(mu, diag(1 / P)),     P = (N (s + gamma) + tau delta) / tau = N c / tau
    m  <- momentum m + (1 - momentum) g
    e   = (1 - curvature_decay) (f - s)
    s  <- s + e + e^2 / (2 c)                   c stays positive whatever f is
    mu <- mu - lr r clip((m_hat + (tau delta / N) mu) / c, xi)
    r   = initial_curvature + gamma + tau delta / N, or 1 without rescale_lr

The paper writes lambda for N / tau, h for s, delta for tau delta / N, beta1 and beta2
for momentum and curvature_decay. With r the first steps are those of SGD with momentum
and that learning rate.

At the fixed point s is the mean of the second derivatives over q, so that for a
quadratic loss and gamma = 0, P = N h / tau + delta is exact, with h the diagonal of the
Hessian; VOGN's squares carry the residuals. Of other losses s may be negative, down to
where prior and damping balance it.

Departures from the paper and its authors' package `ivon-opt`, whose steps these are
otherwise (tests compare them):
    1. The temperature has its own place: their `ess` is N / tau, and their
       `weight_decay` tau delta / N.
    2. gamma, which they do not have: their noise stays small by a decay so close to 1
       that s hardly moves.
    3. c never falls below a ten-thousandth of gamma + tau delta / N, nor below 1e-30:
       rounding could make it negative.
    4. The count of steps is part of the state, for each parameter; theirs is lost with
       a checkpoint. Their "gradsq", squared mean gradients in place of f, is left out:
       it is `Vadam`'s curvature, which they scale by another power of N.
    5. Draws and micro-batches count by their examples, the ranks' too.
    6. Parameters without noise, as BatchNorm's by default, have no f: their s stays,
       and their steps are those of SGD with momentum.
    7. Noise in half precision is what is left of it when it was rounded.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .. import kernels
from .._checks import check_number
from ..curvature.recording import Recording
from ..distributed import DEFAULT_GROUP, Group
from .diagonal import MOMENTUM, STEP, DiagonalOptimizer
from .groups import (
    AUTO,
    AUTO_DAMPING,
    AUTO_PRIOR,
    Prior,
    Rules,
    Setting,
    num_effective,
    prior_weight,
)
from .sampled import Params
from .sampling import noise_products
from .unsquared import UnsquaredOptimizer

# What "auto" stands for, with N the number of examples: as for VOGN, the first noise is
# the same for any N. Found on validation data of Fashion-MNIST, digits and moons.
AUTO_LR = 0.5
AUTO_CURVATURE = 4000.0  # over N
LEAST = 1e-4  # of gamma + tau delta / N: smallest c
SMALLEST = 1e-30  # the same without these


class IVON(UnsquaredOptimizer, DiagonalOptimizer):
    """Natural-gradient variational inference at the cost of AdamW.

    Settings marked * may differ between parameter groups. "auto" lets a setting follow
    N = num_data * augmentation_factor.

    Args:
        model: The network; it must itself be called, with the examples in the first
            dimension.
        num_data: * Size of the training set, >= 1: how much evidence there is.
        lr: * Learning rate > 0; by default that of SGD with momentum, see `rescale_lr`.
        momentum: * Weight of the past in the gradient average, in [0, 1); 0.9.
        curvature_decay: * Weight of the past in the curvature average, in [0, 1). The
            estimate from one draw is noisy: the closer to 1 the better, as long as the
            training has several times 1 / (1 - curvature_decay) steps.
        initial_curvature: * s before any data, > 0: the first noise is about
            1 / sqrt(N initial_curvature / tau). "auto", the default, is 4000 / N.
        prior_precision: * delta >= 0: larger pulls the weights to zero. A number, or
            numbers by parameter name or shell pattern, {"head.*": 5.0}, of which the
            first that fits counts. "auto", the default and what nothing fits, is
            N / 1200: then tau delta / N is as strong as a usual weight decay.
        temperature: * tau > 0, the weight of the KL term. 1 is the posterior of Bayes'
            rule; below 1 it is colder, that is narrower.
        temperature_warmup: * Steps >= 0 over which tau rises in a line from
            `initial_temperature` to `temperature`; 0, the default, for none.
        initial_temperature: * tau at the start of the warm-up, > 0; 0.01.
        damping: * gamma >= 0, added to the curvature in the step and in the precision:
            bounds the noise by 1 / sqrt(N gamma / tau) where the data say nothing.
            "auto", the default, is 1600 / N, as VOGN's: in long trainings the noise
            else grows until it is in the way of learning. 0, the paper's, is the exact
            tempered posterior.
        weight_decay: * Decoupled weight decay >= 0, mu <- (1 - lr weight_decay) mu
            before the step; 0, since the prior does that.
        clip_radius: * Largest change of a weight in a step, before `lr`, > 0; None, the
            default, for no limit. The paper has 1e-3 for transformers.
        debias: * Whether m is corrected for its start at 0; True.
        rescale_lr: * Whether `lr` is scaled by the first curvature, which makes it
            comparable to SGD's; True.
        augmentation_factor: * How many examples an augmented one counts for, > 0; 1.
        num_samples: Weight samples that `step(closure)` draws, >= 1; 1. In a plain loop
            enter `sampled_params(train=True)` as often as you like.
        loss_reduction: "mean" or "sum" over the examples of a batch, as the loss does.
        batch_norm: "deterministic" trains BatchNorm's scale and shift without noise and
            prior, as VOGN does; "sampled" treats them as all others, as the paper does.
        automatic: Whether forward passes of the model in train mode begin blocks by
            themselves, which end with the backward pass: for loops that cannot be
            changed. Losses of several blocks before a step then add up to one mean, as
            those of micro-batches that were divided by their number.
        process_group: The ranks to train with: "default" means all processes once
            torch.distributed is initialised, with or without DistributedDataParallel.
            Each rank draws its own noise; g and u are averaged over the examples of all
            ranks; all ranks hold the same mean and curvature. None trains alone.
        seed: Seed of the weight noise, which never touches torch's global generator;
            the same on all ranks.
        params: Parameters or parameter groups, as for any torch optimizer, all of them
            the model's; by default every parameter that requires a gradient. Include
            frozen ones that are to be trained later, or add them with
            `add_param_group`; until they are trained they have no noise.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    Gradient clipping between block and step clips g before momentum; f and the prior's
    pull are left alone.

    State:
        `state[p]` holds "momentum_buffer" and "curvature" in the shape of p, and
        "step"; `state_dict()` adds the noise's position and `num_steps`. Statistics
        between a block and the next `step()` are not saved.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = IVON(model, num_data=100)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> with optimizer.sampled_params(train=True):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    _method: ClassVar[str] = "IVON"
    _rules: ClassVar[Rules] = {
        "initial_curvature": lambda num: AUTO_CURVATURE / num,
        "damping": lambda num: AUTO_DAMPING / num,
        "prior_precision": lambda num: AUTO_PRIOR * num,
    }
    _power = 1  # noise times gradient carries the scale of the loss once

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        lr: float = AUTO_LR,
        momentum: float = 0.9,
        curvature_decay: float = 0.999,
        initial_curvature: Setting = AUTO,
        prior_precision: Prior = AUTO,
        temperature: float = 1.0,
        temperature_warmup: int = 0,
        initial_temperature: float = 0.01,
        damping: Setting = AUTO,
        weight_decay: float = 0.0,
        clip_radius: float | None = None,
        debias: bool = True,
        rescale_lr: bool = True,
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
            "clip_radius": clip_radius,
            "debias": debias,
            "rescale_lr": rescale_lr,
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

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._floors: dict[
            Tensor, float
        ] = {}  # of parameters, when s was last looked at
        self._memory: dict[Tensor, Tensor] = {}  # for products, to be used again
        self._early: dict[Tensor, tuple[Tensor, Tensor, int]] = {}

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        if group["clip_radius"] is not None:
            radius = group["clip_radius"]
            check_number("clip_radius", radius, minimum=0, open_minimum=True)
        for name in ("debias", "rescale_lr"):
            if not isinstance(group[name], bool):
                raise ValueError(f"{name} must be True or False, got {group[name]!r}.")

    def _first_curvature(self, group: dict[str, Any]) -> float:
        return float(group["initial_curvature"])

    def _curvature(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        """s, raised if need be: below 0 it rests on a floor that may have sunk."""
        curvature, floor = super()._curvature(parameter, group), floor_of(group)
        if floor < self._floors.get(parameter, math.inf):
            with torch.no_grad():  # half of it, so that rounding is no reason
                curvature.clamp_(min=least_of(floor) / 2 - floor)
        self._floors[parameter] = floor
        return curvature

    # --- blocks -----------------------------------------------------------------------

    def _refreshes(self) -> bool:
        """Whether products are taken: always."""
        return True

    def _statistics(self, recording: Recording) -> list[Tensor | None]:  # noqa: ARG002
        """The products u of a block."""
        every = self._parameters()
        left = [p for p in every if p in self._mean_of and p.grad is not None]
        known = {p: u for p in left if (u := self._known_product(p)) is not None}
        left = [p for p in left if p not in known]
        made = dict(zip(left, self._products_of(left), strict=True))
        self._early.clear()
        return [made.get(p, known.get(p)) for p in every]

    def _settled(self, recording: Recording, parameter: nn.Parameter) -> Tensor | None:  # noqa: ARG002
        """The product of one parameter, to be sent while backward runs."""
        gradient = parameter.grad
        if parameter not in self._mean_of or gradient is None:
            return None
        (product,) = self._products_of([parameter])
        self._early[parameter] = product, gradient, gradient._version
        return product

    def _known_product(self, parameter: nn.Parameter) -> Tensor | None:
        """What was sent of a parameter, if it is still true."""
        if parameter not in self._early:
            return None
        product, gradient, version = self._early[parameter]
        same = parameter.grad is gradient and gradient._version == version
        return product if same else None

    def _products_of(self, parameters: list[nn.Parameter]) -> list[Tensor]:
        means = [self._mean_of[p] for p in parameters]
        # What earlier blocks gathered may lie in the memory of their products.
        memory = {} if self._gathered.num_examples else self._memory
        return noise_products(parameters, means, memory)

    # --- steps ------------------------------------------------------------------------

    @torch.no_grad()
    def _update(self, squares: dict[nn.Parameter, Tensor] | None) -> None:
        products = squares or {}
        for group in self._tempered_groups():
            members = [p for p in group["params"] if p.grad is not None]
            for known in (True, False):
                params = [p for p in members if (p in products) is known]
                states = [self._state(p, group) for p in params]
                for state in states:
                    state[STEP] += 1
                ivon_update(
                    params,
                    [p.grad for p in params if p.grad is not None],
                    [products[p] for p in params] if known else None,
                    [state[MOMENTUM] for state in states],
                    [self._curvature(p, group) for p in params],
                    [state[STEP] for state in states],
                    group,
                )


def floor_of(group: dict[str, Any]) -> float:
    """What is added to s: damping and the prior's share per example."""
    return float(group["damping"] + prior_weight(group))


def least_of(floor: float) -> float:
    """The smallest c."""
    return max(LEAST * floor, SMALLEST)


def ivon_update(
    means: Sequence[Tensor],
    gradients: list[Tensor],
    products: list[Tensor] | None,
    momenta: list[Tensor],
    curvatures: list[Tensor],
    steps: list[int],
    group: dict[str, Any],
) -> None:
    """One IVON step in place, equations of the module docstring.

    Args:
        means: mu, changed.
        gradients: g, left alone.
        products: u, left alone; None of weights without noise, which leaves s as it is.
        momenta: m, changed.
        curvatures: s, changed.
        steps: Number of this step for each parameter, from 1.
        group: Settings of the parameter group, at its present temperature.
    """
    means = list(means)
    if not means:
        return
    beta, prior, floor = group["momentum"], prior_weight(group), floor_of(group)
    corrections = [1 / (1 - beta**t) if group["debias"] else 1.0 for t in steps]
    scale = group["initial_curvature"] + floor if group["rescale_lr"] else 1.0
    radius = math.inf if group["clip_radius"] is None else group["clip_radius"]
    if group["weight_decay"]:
        torch._foreach_mul_(means, 1 - group["lr"] * group["weight_decay"])
    slope, rate = num_effective(group) / group["temperature"], group["lr"] * scale
    every = (*means, *gradients, *(products or ()), *momenta, *curvatures)
    if kernels.supports(*every):
        kernels.ivon_update_(
            means, gradients, products, momenta, curvatures, corrections, momentum=beta,
            decay=group["curvature_decay"], slope=slope, prior=prior, floor=floor,
            least=least_of(floor), rate=rate, radius=radius,
        )  # fmt: skip
        return
    torch._foreach_mul_(momenta, beta)
    torch._foreach_add_(momenta, gradients, alpha=1 - beta)
    if products is not None:
        decay = group["curvature_decay"]
        update_curvatures(curvatures, products, slope=slope, floor=floor, decay=decay)
    changes = list(torch._foreach_mul(momenta, corrections))
    if prior:
        torch._foreach_add_(changes, means, alpha=prior)
    torch._foreach_div_(changes, torch._foreach_add(curvatures, floor))
    if radius < math.inf:
        torch._foreach_clamp_max_(changes, radius)
        torch._foreach_clamp_min_(changes, -radius)
    torch._foreach_add_(means, changes, alpha=-rate)


def update_curvatures(
    curvatures: list[Tensor],
    products: list[Tensor],
    *,
    slope: float,
    floor: float,
    decay: float,
) -> None:
    """Take an estimate of the second derivatives into s, in place.

    Args:
        curvatures: s, changed.
        products: u, left alone.
        slope: N / tau.
        floor: gamma + tau delta / N.
        decay: Weight of the past in s.
    """
    totals = list(torch._foreach_add(curvatures, floor))
    changes = list(torch._foreach_mul(totals, products))
    torch._foreach_mul_(changes, slope)
    torch._foreach_sub_(changes, curvatures)
    torch._foreach_mul_(changes, 1 - decay)
    bends = list(torch._foreach_mul(changes, changes))
    torch._foreach_div_(bends, totals)
    torch._foreach_add_(totals, changes)
    torch._foreach_add_(totals, bends, alpha=0.5)
    torch._foreach_clamp_min_(totals, least_of(floor))
    torch._foreach_copy_(curvatures, totals)
    torch._foreach_sub_(curvatures, floor)
