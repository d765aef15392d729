"""VOGN, variational online Gauss-Newton.

Paper: Osawa, Swaroop, Jain, Eschenhagen, Turner, Yokota, Khan (2019), "Practical Deep
Learning with Bayesian Principles", arXiv:1906.02506, equations 4-5 and algorithm 1.

It learns the Gaussian q(w) = N(mu, diag(1 / P)) that minimises
N E_q[loss] + tau KL(q || N(0, I / delta)), by natural-gradient steps.

Symbols:
    N      num_data * augmentation_factor   examples the posterior is told of
    delta  prior_precision                  precision of the prior N(0, I / delta)
    tau    temperature                      weight of the KL term, after its warm-up
    gamma  damping                          external damping
    mu     the parameters themselves        posterior mean
    g      parameter.grad after a block     mean over examples of gradients
    h      mean over examples of g_i^2      averaged over weight samples after squaring
    s      state["curvature"]               running mean of h
    m      state["momentum_buffer"]         running mean of g + (tau delta / N) mu

    w  ~  N(mu, diag(1 / P)),     P = (N (s + gamma) + tau delta) / tau
    m  <- momentum m + (1 - momentum) (g + (tau delta / N) mu)
    s  <- curvature_decay s + (1 - curvature_decay) h
    mu <- mu - lr m_hat / (s + gamma + tau delta / N),  m_hat = m / (1 - momentum^t)

Continual learning (section 5): the posterior of one task is the prior of the next,
`set_prior`. Then the prior is N(mu0, diag(1 / Lambda0)), weight by weight: Lambda0
takes the place of delta, and Lambda0 (mu - mu0) that of delta mu
(`vogn_app.optim.former`).

Departures from the paper:
    1. P is the exact precision of the tempered posterior: at the fixed point
       s = h, gamma = 0 it equals N h / tau + delta. The paper's printed equations give
       N h / tau + tau delta, its authors' later code (N h + delta) / tau; all agree at
       tau = 1.
    2. m is a bias-corrected average. The paper's sum form is the same with its
       learning rate divided by 1 - momentum: lr here = lr there / (1 - momentum).
    3. Both terms of P are always present and the updates of s are averages of numbers
       that are not negative, so the precision stays positive without clamping.
    4. Squares are exact for every layer (`vogn_app.curvature`); the paper's code
       approximates those of convolution biases and norm layers.

Curvature. h with g_i at the data's labels ("empirical") costs nothing beyond the
gradients, but squared gradients are no Hessian: they carry the residuals. Where errors
are larger than the likelihood expects, P is too high and the posterior too narrow;
where they are smaller, as on training data that a network interpolates, P is too low
and the posterior too wide. h with g_i at labels drawn from the model ("fisher") has no
residuals: its mean over labels is the diagonal of the Gauss-Newton matrix of the loss,
so that for a model linear in its weights the fixed point is the best diagonal Gaussian,
exactly; for others up to the curvature of the network itself, which Gauss-Newton leaves
out. It costs a second backward pass on steps that refresh s, and the noise of the
labels, which s averages.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .. import kernels
from ..distributed import DEFAULT_GROUP, Group
from ..likelihoods import Likelihood
from .diagonal import CURVATURE, MOMENTUM, STEP
from .former import ContinualOptimizer, former_prior, pull_and_weights
from .former import Prior as FormerPrior
from .groups import (
    AUTO,
    ESTIMATE,
    Prior,
    Setting,
    check_group,
    num_effective,
    prior_weight,
)
from .loading import METHOD, check_method
from .sampled import NOISE, NUM_STEPS, Params

REFRESHES = "refreshes"  # key of a parameter's state


class VOGN(ContinualOptimizer):
    """Natural-gradient variational inference with a diagonal Gaussian.

    Settings marked * may differ between parameter groups. "auto" lets a setting follow
    N = num_data * augmentation_factor, so that N s, the noise and the steps of the
    beginning, and the prior's weight per example are the same for any N.

    Args:
        model: The network; its modules are watched for per-example gradients. Call it
            with the examples in the first dimension.
        num_data: * Size of the training set, >= 1: how much evidence there is.
        lr: * Learning rate > 0; "auto", the default, is 4000 / N. With the paper's
            sum-form momentum 0.9 this is ten times its learning rate.
        momentum: * Weight of the past in the gradient average, in [0, 1); 0.9 as in the
            paper. The average is corrected for its start at 0.
        curvature_decay: * Weight of the past in the curvature average, in [0, 1);
            0.999, since a batch says little about the whole data.
        initial_curvature: * s before any data, > 0. lr / initial_curvature is the size
            of the first steps and 1 / sqrt(N initial_curvature / tau) about the first
            noise. "auto", the default, is 8000 / N: deliberately far above what data
            give, so that noise and steps grow while s sinks to the data's own values.
            "estimate" starts from the first batches instead: the first is taken without
            noise, and s is the plain average of what the first batches give. It needs
            no tuning to the loss's scale, but a smaller lr.
        prior_precision: * delta >= 0: larger pulls the weights to zero. A number, or
            numbers by parameter name or shell pattern, {"head.*": 5.0}, of which the
            first that fits counts. "auto", the default and what nothing fits, is
            N / 1200: then tau delta / N is as strong as a usual weight decay. A prior
            that knows nothing of N is a number of your own.
        temperature: * tau > 0, the weight of the KL term. 1 is the posterior of Bayes'
            rule; below 1 it is colder, that is narrower.
        temperature_warmup: * Steps >= 0 over which tau rises in a line from
            `initial_temperature` to `temperature`; 0, the default, for none. Helps
            networks that the noise keeps from learning at all.
        initial_temperature: * tau at the start of the warm-up, > 0; 0.01.
        damping: * gamma >= 0, added to the curvature in the step and in the precision:
            bounds the step by lr / gamma and the noise by 1 / sqrt(N gamma / tau) where
            the data say nothing. "auto", the default, is 1600 / N; without any, long
            trainings of networks with the default lr can diverge. Set it to 0, with a
            smaller lr, for the exact tempered posterior.
        weight_decay: * Decoupled weight decay >= 0, mu <- (1 - lr weight_decay) mu
            before the step; 0, since the prior does that, weighing with the curvature.
        augmentation_factor: * How many examples an augmented one counts for, > 0; 1.
        sampled: * Whether there is a posterior. Without one (False) gradients and
            squares are taken at the mean: OGN, a deterministic second-order method.
        num_samples: Weight samples that `step(closure)` draws, >= 1; 1. In a plain loop
            enter `sampled_params(train=True)` as often as you like.
        curvature: "empirical", the default and the paper's, takes squares at the data's
            labels, at no cost; "fisher" at labels drawn from the model, by one more
            backward pass where s is refreshed. The former makes the posterior too
            narrow where errors are larger than the likelihood expects, and too wide
            where they are smaller; the latter is Gauss-Newton. It needs the model to
            be called once before each backward pass, and no reentrant checkpoints.
        likelihood: What labels are drawn from with "fisher", "categorical" (outputs are
            logits), "bernoulli" (logits) or "gaussian" (means of unit variance), or an
            object of `vogn_app.likelihoods` or with the same methods. It must be the
            one whose negative logarithm the loss is.
        loss_reduction: "mean" or "sum" over the examples of a batch, as the loss does.
        batch_norm: "deterministic" trains BatchNorm's scale and shift without noise and
            prior, as the paper does; "sampled" treats them as all others. In train mode
            BatchNorm mixes examples: batch statistics count as constants, so squares
            in such a network are per-example contributions, not gradients of
            single-example losses.
        curvature_interval: Steps from one refresh of s to the next, >= 1. Steps between
            cost no more than those of any optimizer and use the s they find; a refresh
            gives h the weight of all steps it stands for, 1 - curvature_decay^interval.
        automatic: Whether forward passes of the model in train mode begin blocks by
            themselves, which end with the backward pass: for loops that cannot be
            changed. Losses of several blocks before a step then add up to one mean, as
            those of micro-batches that were divided by their number.
        process_group: The ranks to train with: "default" means all processes once
            torch.distributed is initialised, with or without DistributedDataParallel.
            Each rank draws its own noise; g and h are averaged over the examples of all
            ranks; all ranks hold the same mean and curvature. None trains alone.
        seed: Seed of the weight noise, which never touches torch's global generator;
            the same on all ranks.
        params: Parameters or parameter groups, as for any torch optimizer, all of them
            the model's; by default every parameter that requires a gradient. Include
            frozen ones that are to be trained later, or add them with
            `add_param_group`; until they are trained they have no noise.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    Gradient clipping between block and step clips g, the gradient at the draws averaged
    over examples, before momentum; h and the prior's pull are left alone.

    State:
        `state[p]` holds "momentum_buffer" and "curvature" in the shape of p, "step" and
        "refreshes", after `set_prior` "prior_mean" and "prior_precision" too;
        `state_dict()` adds the noise's position and `num_steps`.
        Statistics between a block and the next `step()` are not saved.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = VOGN(model, num_data=100)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> with optimizer.sampled_params(train=True):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    _method: ClassVar[str] = "VOGN"
    _counters = (STEP, REFRESHES)

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        lr: Setting = AUTO,
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
        sampled: bool = True,
        num_samples: int = 1,
        loss_reduction: str = "mean",
        batch_norm: str = "deterministic",
        curvature: str = "empirical",
        likelihood: str | Likelihood = "categorical",
        curvature_interval: int = 1,
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
            "sampled": sampled,
        }
        super().__init__(
            model,
            params,
            settings,
            batch_norm=batch_norm,
            num_samples=num_samples,
            loss_reduction=loss_reduction,
            curvature_interval=curvature_interval,
            automatic=automatic,
            process_group=process_group,
            curvature=curvature,
            likelihood=likelihood,
            seed=seed,
        )

    def _check(self, group: dict[str, Any]) -> None:
        check_group(group)  # a curvature to estimate is allowed

    def _has_noise(self, parameter: Tensor, group: dict[str, Any]) -> bool:
        if parameter.requires_grad and group["initial_curvature"] != ESTIMATE:
            return True
        return bool(self._state(parameter, group)[REFRESHES])

    def _first_curvature(self, group: dict[str, Any]) -> float:
        start = group["initial_curvature"]
        return 0.0 if start == ESTIMATE else float(start)

    @torch.no_grad()
    def _update(self, squares: dict[nn.Parameter, Tensor] | None) -> None:
        for group in self._tempered_groups():
            members = [
                p for p in group["params"]
                if p.grad is not None
                and (p in squares if squares is not None else self._started(p, group))
            ]  # fmt: skip
            # Parameters that were added later may have had fewer refreshes.
            for (decay, _), params in self._by_decay(members, group).items():
                states = [self._state(p, group) for p in params]
                for state in states:
                    state[STEP] += 1
                    state[REFRESHES] += squares is not None
                vogn_update(
                    params,
                    [p.grad for p in params if p.grad is not None],
                    _of(squares, params),
                    [state[MOMENTUM] for state in states],
                    [state[CURVATURE] for state in states],
                    [state[STEP] for state in states],
                    group,
                    decay,
                    [prior for s in states if (prior := former_prior(s)) is not None],
                )

    def _started(self, parameter: Tensor, group: dict[str, Any]) -> bool:
        """Whether there is a curvature: one to estimate waits for a refresh."""
        known = group["initial_curvature"] != ESTIMATE
        return known or bool(self._state(parameter, group)[REFRESHES])

    def _by_decay(
        self, members: list[nn.Parameter], group: dict[str, Any]
    ) -> dict[tuple[float, bool], list[nn.Parameter]]:
        """Members by the weight of the past, and by whether they have a prior each."""
        result: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for parameter in members:
            state = self._state(parameter, group)
            decay = refresh_decay(group, self.curvature_interval, state[REFRESHES])
            key = decay, former_prior(state) is not None
            result.setdefault(key, []).append(parameter)
        return result

    def state_dict(self) -> dict[str, Any]:
        """State, groups and position of the noise; read with `weights_only=True`."""
        state = super().state_dict()
        del state[METHOD]  # those of VOGN never had it
        return state

    def _check_method(self, state_dict: dict[str, Any]) -> None:
        check_method(self._method, state_dict, ())
        wanted = ("state", "param_groups", NOISE, NUM_STEPS)
        if missing := [key for key in wanted if key not in state_dict]:
            raise ValueError(
                f"state_dict must be of a VOGN, got none of {', '.join(missing)}."
            )


def _of(
    squares: dict[nn.Parameter, Tensor] | None, params: list[nn.Parameter]
) -> list[Tensor] | None:
    """Squares of some parameters in their types."""
    if squares is None:
        return None
    return [squares[p].to(torch.promote_types(p.dtype, torch.float32)) for p in params]


def refresh_decay(group: dict[str, Any], interval: int, refreshes: int) -> float:
    """Weight of the past in s at a refresh.

    Args:
        group: Settings of the parameter group.
        interval: Steps that a refresh stands for.
        refreshes: Refreshes before this one.

    Returns:
        `curvature_decay^interval`; where s is estimated it starts as the plain average
        of the first squares, and this weight is smaller by its bias correction.
    """
    decay = float(group["curvature_decay"] ** interval)
    if group["initial_curvature"] != ESTIMATE:
        return decay
    return decay * (1 - decay**refreshes) / (1 - decay ** (refreshes + 1))


def vogn_update(
    means: Sequence[Tensor],
    gradients: list[Tensor],
    squares: list[Tensor] | None,
    momenta: list[Tensor],
    curvatures: list[Tensor],
    steps: list[int],
    group: dict[str, Any],
    decay: float,
    priors: Sequence[FormerPrior] = (),
) -> None:
    """One VOGN step in place, equations of the module docstring.

    Args:
        means: mu, changed.
        gradients: g, left alone.
        squares: h, left alone; None between refreshes, which leave s as it is.
        momenta: m, changed.
        curvatures: s, changed.
        steps: Number of this step for each parameter, from 1.
        group: Settings of the parameter group, at its present temperature.
        decay: Weight of the past in s.
        priors: mu0 and Lambda0 of each parameter, or none for the isotropic prior.
    """
    means = list(means)
    if not means:
        return
    beta, prior = group["momentum"], prior_weight(group)
    rates = [group["lr"] / (1 - beta**step) for step in steps]
    if group["weight_decay"]:
        torch._foreach_mul_(means, 1 - group["lr"] * group["weight_decay"])
    every = (*means, *gradients, *(squares or ()), *momenta, *curvatures)
    if not priors and kernels.supports(*every):
        kernels.vogn_update_(
            means, gradients, squares, momenta, curvatures, rates,
            momentum=beta, decay=decay, prior=prior, damping=group["damping"],
        )  # fmt: skip
        return
    torch._foreach_mul_(momenta, beta)
    torch._foreach_add_(momenta, gradients, alpha=1 - beta)
    weights: list[Tensor] = []
    if priors:
        weight = group["temperature"] / num_effective(group)
        pulls, weights = pull_and_weights(means, priors, weight)
        torch._foreach_add_(momenta, pulls, alpha=1 - beta)
    elif prior:
        torch._foreach_add_(momenta, means, alpha=(1 - beta) * prior)
    if squares is not None:
        torch._foreach_mul_(curvatures, decay)
        torch._foreach_add_(curvatures, squares, alpha=1 - decay)
    offset = group["damping"] + (0.0 if priors else prior)
    scales = torch._foreach_add(curvatures, offset)
    if priors:
        torch._foreach_add_(scales, weights)
    torch._foreach_addcdiv_(means, momenta, scales, [-rate for rate in rates])
