"""VOGN, variational online Gauss-Newton.

Paper: Osawa, Swaroop, Jain, Eschenhagen, Turner, Yokota, Khan (2019), "Practical Deep
Learning with Bayesian Principles", arXiv:1906.02506, equations 4-5 and algorithm 1.

It learns the Gaussian q(w) = N(mu, diag(1 / P)) that minimises
N E_q[loss] + tau KL(q || N(0, I / delta)), by natural-gradient steps.

Symbols:
    N      num_data * augmentation_factor   examples the posterior is told of
    delta  prior_precision                  precision of the prior N(0, I / delta)
    tau    temperature                      weight of the KL term
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

Departures from the paper:
    1. P is the exact precision of the tempered posterior: at the fixed point
       s = h, gamma = 0 it equals N h / tau + delta. The paper's printed equations give
       N h / tau + tau delta, its authors' later code (N h + delta) / tau; all agree at
       tau = 1.
    2. m is a bias-corrected average. The paper's sum form is the same with its
       learning rate divided by 1 - momentum: lr here = lr there / (1 - momentum).
    3. s starts at initial_curvature and both terms of P are always present, so the
       first step already samples and the precision is positive without clamping.
    4. Squares are exact for every layer (`vogn_app.curvature`); the paper's code
       approximates those of convolution biases and norm layers.

Squared gradients are not the Hessian: they carry the residuals, so on a regression task
P follows the size of the errors rather than the noise-free curvature.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .. import kernels
from .._checks import check_choice, check_count
from .groups import batch_norm_parameters, check_group, check_shapes
from .sampled import Params, SampledOptimizer
from .sampling import deviations, perturb

MOMENTUM, CURVATURE, STEP = "momentum_buffer", "curvature", "step"  # state keys


class VOGN(SampledOptimizer):
    """Natural-gradient variational inference with a diagonal Gaussian.

    Args:
        model: The network; its modules are watched for per-example gradients. Call it
            with the examples in the first dimension.
        num_data: Size of the training set.
        lr: Learning rate > 0. With the paper's sum-form momentum 0.9 this is ten times
            its learning rate.
        momentum: Weight of the past in the gradient average, in [0, 1).
        curvature_decay: Weight of the past in the curvature average, in [0, 1); close
            to 1, since a batch says little about the whole data.
        initial_curvature: Value of s before any data, > 0. lr / initial_curvature is
            the size of the first steps and 1 / sqrt(N initial_curvature) about the
            first noise: what matters most for tuning.
        prior_precision: delta >= 0. Larger pulls the weights to zero.
        temperature: tau > 0. Below 1 the posterior is colder, that is narrower.
        damping: gamma >= 0, added to the curvature in the step and in the precision. It
            bounds the step by about lr / gamma once s has sunk to the data's own small
            values: at 0, with the other defaults, LeNet-5 on Fashion-MNIST diverged at
            step 3,354. Set it to 0 for the exact tempered posterior.
        augmentation_factor: How many examples an augmented one counts for, > 0.
        num_samples: Weight samples that `step(closure)` draws, >= 1. In a plain loop
            enter `sampled_params(train=True)` as often as you like.
        loss_reduction: "mean" or "sum" over the examples of a batch, as the loss does.
        batch_norm: "deterministic" trains BatchNorm's scale and shift without noise and
            prior, as the paper does; "sampled" treats them as all others. In train mode
            BatchNorm mixes examples: batch statistics count as constants, so squares
            in such a network are per-example contributions, not gradients of
            single-example losses.
        curvature_interval: Steps from one refresh of s to the next, >= 1. Steps between
            cost no more than those of any optimizer and use the s they find; a refresh
            gives h the weight of all steps it stands for, 1 - curvature_decay^interval.
        seed: Seed of the weight noise, which never touches torch's global generator.
        params: Parameters or parameter groups, as for any torch optimizer, all of them
            the model's; by default every parameter that requires a gradient.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    State:
        `state[p]` holds "momentum_buffer" and "curvature" in the shape of p, and
        "step"; `state_dict()` adds the noise generators and `num_steps`. Statistics
        between a block and the next `step()` are not saved.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = VOGN(model, num_data=100)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> with optimizer.sampled_params(train=True):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
        >>> with optimizer.sampled_params(), torch.no_grad():
        ...     probabilities = model(x).softmax(-1)
    """

    _copied = (*SampledOptimizer._copied, "batch_norm")

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        lr: float = 0.2,
        momentum: float = 0.9,
        curvature_decay: float = 0.999,
        initial_curvature: float = 0.3,
        prior_precision: float = 10.0,
        temperature: float = 1.0,
        damping: float = 0.05,
        augmentation_factor: float = 1.0,
        num_samples: int = 1,
        loss_reduction: str = "mean",
        batch_norm: str = "deterministic",
        curvature_interval: int = 1,
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        self.batch_norm = check_choice(
            "batch_norm", batch_norm, ("deterministic", "sampled")
        )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "curvature_decay": curvature_decay,
            "initial_curvature": initial_curvature,
            "prior_precision": prior_precision,
            "temperature": temperature,
            "damping": damping,
            "num_data": check_count("num_data", num_data),
            "augmentation_factor": augmentation_factor,
            "sampled": True,
        }
        super().__init__(
            model,
            params,
            defaults,
            num_samples=num_samples,
            loss_reduction=loss_reduction,
            curvature_interval=curvature_interval,
            seed=seed,
        )

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._batch_norm_ids = batch_norm_parameters(self.model)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as in any torch optimizer; its settings are checked.

        BatchNorm parameters go to a group of their own, without noise and prior, when
        `batch_norm` is "deterministic".

        Args:
            param_group: `{"params": ..., setting: value, ...}`.

        Raises:
            ValueError: If a setting is out of range or a parameter is not the model's.
        """
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        named = [self._named(parameter) for parameter in params]
        rest = {k: v for k, v in param_group.items() if k != "params"}
        check_group({**self.defaults, **rest})
        plain, norms = self._split(named)
        if plain:
            super().add_param_group({**rest, "params": plain})
        if norms:
            silent = {**rest, "sampled": False, "prior_precision": 0.0}
            check_group({**self.defaults, **silent})
            super().add_param_group({**silent, "params": norms})
        self._capture = None

    def _split(
        self, named: list[tuple[str, nn.Parameter]]
    ) -> tuple[list[tuple[str, nn.Parameter]], list[tuple[str, nn.Parameter]]]:
        if self.batch_norm == "sampled":
            return named, []
        norms = [item for item in named if id(item[1]) in self._batch_norm_ids]
        plain = [item for item in named if id(item[1]) not in self._batch_norm_ids]
        return plain, norms

    def _perturb(self) -> Callable[[], None]:
        """Add noise to the sampled parameters; returns what undoes it exactly."""
        draws = [
            (list[Tensor](group["params"]), self._curvatures(group), line)
            for group in self.param_groups
            if group["sampled"] and group["params"]
            for line in [precision_line(group)]
        ]
        return perturb(draws, self._noise, self._means)

    def _curvatures(self, group: dict[str, Any]) -> list[Tensor]:
        return [self._state(p, group)[CURVATURE] for p in group["params"]]

    def _state(self, parameter: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if state:
            return state
        with torch.inference_mode(False), torch.no_grad():  # to be changed later
            state[STEP] = 0
            state[MOMENTUM] = torch.zeros_like(parameter)
            state[CURVATURE] = torch.full_like(parameter, group["initial_curvature"])
        return state

    @torch.no_grad()
    def _update(self, squares: dict[nn.Parameter, Tensor] | None) -> None:
        for group in self.param_groups:
            params = [
                p for p in group["params"] if p.grad is not None and
                (squares is None or p in squares)
            ]  # fmt: skip
            states = [self._state(p, group) for p in params]
            for state in states:
                state[STEP] += 1
            vogn_update(
                list[Tensor](params),
                [p.grad for p in params],
                None if squares is None else [squares[p].to(p.dtype) for p in params],
                [state[MOMENTUM] for state in states],
                [state[CURVATURE] for state in states],
                [state[STEP] for state in states],
                group,
                self.curvature_interval,
            )

    @torch.no_grad()
    def posterior_precision(self) -> dict[str, Tensor]:
        """Precision P of every sampled parameter, by name; new tensors."""
        result = {}
        for group in self.param_groups:
            if group["sampled"]:
                scale, offset = precision_line(group)
                for p in group["params"]:
                    curvature = self._state(p, group)[CURVATURE]
                    result[self._names[id(p)]] = curvature * scale + offset
        return result

    @torch.no_grad()
    def mean_deviation(self) -> Tensor:
        """Posterior standard deviation averaged over all sampled weights, a scalar."""
        groups = [g for g in self.param_groups if g["sampled"]]
        each = [
            deviation.flatten()
            for group in groups
            for deviation in deviations(self._curvatures(group), precision_line(group))
        ]
        return torch.cat(each).mean() if each else torch.zeros(())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Args:
            state_dict: From an optimizer with the same groups and `num_data`.

        Raises:
            ValueError: If groups, shapes or `num_data` differ.
        """
        for ours, theirs in zip(
            self.param_groups, state_dict["param_groups"], strict=False
        ):
            if theirs.get("num_data") != ours["num_data"]:
                raise ValueError(
                    f"num_data must be {ours['num_data']} in the state to load, "
                    f"got {theirs.get('num_data')!r}."
                )
        check_shapes(self.param_groups, state_dict, (MOMENTUM, CURVATURE))
        super().load_state_dict(state_dict)


def vogn_update(
    means: list[Tensor],
    gradients: list[Tensor],
    squares: list[Tensor] | None,
    momenta: list[Tensor],
    curvatures: list[Tensor],
    steps: list[int],
    group: dict[str, Any],
    interval: int = 1,
) -> None:
    """One VOGN step in place, equations of the module docstring.

    Args:
        means: mu, changed.
        gradients: g, left alone.
        squares: h, left alone; None between refreshes, which leave s as it is.
        momenta: m, changed.
        curvatures: s, changed.
        steps: Number of this step for each parameter, from 1.
        group: Settings of the parameter group.
        interval: Steps that a refresh stands for.
    """
    if not means:
        return
    beta, decay = group["momentum"], group["curvature_decay"] ** interval
    prior = prior_weight(group)
    rates = [group["lr"] / (1 - beta**step) for step in steps]
    every = (*means, *gradients, *(squares or ()), *momenta, *curvatures)
    if kernels.supports(*every):
        kernels.vogn_update_(
            means, gradients, squares, momenta, curvatures, rates,
            momentum=beta, decay=decay, prior=prior, damping=group["damping"],
        )  # fmt: skip
        return
    torch._foreach_mul_(momenta, beta)
    torch._foreach_add_(momenta, gradients, alpha=1 - beta)
    if prior:
        torch._foreach_add_(momenta, means, alpha=(1 - beta) * prior)
    if squares is not None:
        torch._foreach_mul_(curvatures, decay)
        torch._foreach_add_(curvatures, squares, alpha=1 - decay)
    scales = torch._foreach_add(curvatures, group["damping"] + prior)
    torch._foreach_addcdiv_(means, momenta, scales, [-rate for rate in rates])


def num_effective(group: dict[str, Any]) -> float:
    """N: examples the posterior is told of."""
    return float(group["num_data"] * group["augmentation_factor"])


def prior_weight(group: dict[str, Any]) -> float:
    """Tau delta / N: the prior's share in gradient and step, per example."""
    weight = group["temperature"] * group["prior_precision"] / num_effective(group)
    return float(weight)


def precision_line(group: dict[str, Any]) -> tuple[float, float]:
    """Slope and offset of the precision P as a function of the curvature s."""
    slope = num_effective(group) / group["temperature"]
    return slope, slope * group["damping"] + group["prior_precision"]
