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

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .._checks import check_choice, check_count
from ..curvature import SquareCapture, Squares
from .groups import batch_norm_parameters, check_group, check_shapes
from .noise import NoiseSource

Params = Iterable[nn.Parameter] | Iterable[dict[str, Any]]

MOMENTUM, CURVATURE, STEP = "momentum_buffer", "curvature", "step"  # state keys
GENERATORS = "generators"  # key of state_dict()
# Attributes of a copy; the others follow from the model.
COPIED = ("model", "num_samples", "loss_reduction", "batch_norm", "_noise")


class VOGN(Optimizer):
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
        seed: Seed of the weight noise, which never touches torch's global generator.
        params: Parameters or parameter groups, as for any torch optimizer, all of them
            the model's; by default every parameter that requires a gradient.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    State:
        `state[p]` holds "momentum_buffer" and "curvature" in the shape of p, and
        "step"; `state_dict()` adds the noise generators. Statistics between a block and
        the next `step()` are not saved.

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
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        self.model = model
        self.num_samples = check_count("num_samples", num_samples)
        self.loss_reduction = check_choice(
            "loss_reduction", loss_reduction, ("mean", "sum")
        )
        self.batch_norm = check_choice(
            "batch_norm", batch_norm, ("deterministic", "sampled")
        )
        self._noise = NoiseSource(seed)
        self._start_afresh()
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
        if params is None:
            params = [p for p in model.parameters() if p.requires_grad]
        groups: Any = list(params)
        super().__init__(groups, defaults)

    def _start_afresh(self) -> None:
        self._names = {id(p): name for name, p in self.model.named_parameters()}
        self._batch_norm_ids = batch_norm_parameters(self.model)
        self._capture: SquareCapture | None = None
        self._inside = False
        self._squares: dict[nn.Parameter, Tensor] = {}
        self._num_seen = 0

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs; copy model and optimizer in one `copy.deepcopy`."""
        own = {name: vars(self)[name] for name in COPIED}
        return {**own, **super().__getstate__()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._start_afresh()

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

    def _named(self, parameter: Any) -> tuple[str, nn.Parameter]:
        parameter = parameter[1] if isinstance(parameter, tuple) else parameter
        if id(parameter) not in self._names:
            raise ValueError(
                "params must be parameters of the model, got one that is not, of shape "
                f"{tuple(getattr(parameter, 'shape', ()))}."
            )
        return self._names[id(parameter)], parameter

    def _split(
        self, named: list[tuple[str, nn.Parameter]]
    ) -> tuple[list[tuple[str, nn.Parameter]], list[tuple[str, nn.Parameter]]]:
        if self.batch_norm == "sampled":
            return named, []
        norms = [item for item in named if id(item[1]) in self._batch_norm_ids]
        plain = [item for item in named if id(item[1]) not in self._batch_norm_ids]
        return plain, norms

    @property
    def capture(self) -> SquareCapture:
        """The record of per-example squares; `capture.coverage()` tells the rules."""
        if self._capture is None:
            parameters = {
                self._names[id(p)]: p
                for group in self.param_groups
                for p in group["params"]
            }
            self._capture = SquareCapture(self.model, parameters)
        return self._capture

    @contextmanager
    def sampled_params(self, train: bool = False) -> Iterator[None]:
        """Put one draw from the posterior into the model for the block.

        The mean is back bit for bit afterwards, also after an exception, in which case
        what the block had gathered is dropped.

        Args:
            train: Whether the block runs forward and backward passes whose gradients
                and squares `step()` is to use. Losses that are backpropagated in one
                block must together be the mean (or sum) over its examples; calls of the
                model before one backward pass are views of the same examples. Several
                blocks before a step are averaged by their numbers of examples, be they
                samples of the weights or micro-batches. After the block `.grad` holds
                the average so far, so it can be clipped or inspected.

        Yields:
            Nothing.

        Raises:
            RuntimeError: If blocks are nested.
            UnsupportedLayerError: If exact squares cannot be had for some parameter.
        """
        if self._inside:
            raise RuntimeError("sampled_params must not be nested.")
        parameters = [p for group in self.param_groups for p in group["params"]]
        before = [parameter.grad for parameter in parameters]
        restore = self._perturb()
        self._inside = True
        try:
            if train:
                for parameter in parameters:
                    parameter.grad = None
            with self.capture.recording() if train else nullcontext() as recording:
                yield
            if recording is not None:
                self._average(recording.squares, parameters, before)
        except BaseException:
            for parameter, gradient in zip(parameters, before, strict=True):
                parameter.grad = gradient
            raise
        finally:
            self._inside = False
            restore()

    @torch.no_grad()
    def _perturb(self) -> Callable[[], None]:
        """Add noise to the sampled parameters; returns what undoes it exactly."""
        parameters: list[Tensor] = []
        deviations: list[Tensor] = []
        for group in self.param_groups:
            if group["sampled"] and group["params"]:
                parameters += group["params"]
                deviations += self._deviations(group)
        means = [parameter.clone() for parameter in parameters]
        noise = self._noise.normals(parameters)
        if parameters:
            torch._foreach_addcmul_(parameters, deviations, noise)

        @torch.no_grad()
        def restore() -> None:
            if parameters:
                torch._foreach_copy_(parameters, means)

        return restore

    def _deviations(self, group: dict[str, Any]) -> list[Tensor]:
        """Posterior standard deviations of a group's parameters."""
        curvatures = [self._state(p, group)[CURVATURE] for p in group["params"]]
        scale, offset = precision_line(group)
        precisions = torch._foreach_mul(curvatures, scale)
        torch._foreach_add_(precisions, offset)
        torch._foreach_rsqrt_(precisions)
        return list(precisions)

    def _state(self, parameter: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state[STEP] = 0
            state[MOMENTUM] = torch.zeros_like(parameter)
            state[CURVATURE] = torch.full_like(parameter, group["initial_curvature"])
        return state

    @torch.no_grad()
    def _average(
        self,
        squares: Squares,
        parameters: list[nn.Parameter],
        before: list[Tensor | None],
    ) -> None:
        """Average a block into what earlier blocks gathered, by numbers of examples."""
        num = squares.num_examples
        if num == 0:  # no backward pass in the block
            for parameter, gradient in zip(parameters, before, strict=True):
                parameter.grad = gradient
            return
        mean = self.loss_reduction == "mean"
        self._num_seen += num
        share = num / self._num_seen
        for parameter, past in zip(parameters, before, strict=True):
            new = squares.sums.get(self._names[id(parameter)])
            if new is not None:
                new.mul_(num if mean else 1 / num)
                if not mean:
                    assert parameter.grad is not None
                    parameter.grad.div_(num)
            old = self._squares.get(parameter)
            averaged = _lerp(old, new, share)
            if averaged is not None:
                self._squares[parameter] = averaged
            # A gradient without squares is left over from before the last step.
            gathered = None if old is None else past
            parameter.grad = _lerp(gathered, parameter.grad, share)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear gradients, and outside a block the gathered squares with them."""
        super().zero_grad(set_to_none=set_to_none)
        if not self._inside:
            self._forget()

    def _forget(self) -> None:
        self._squares, self._num_seen = {}, 0

    @overload  # type: ignore[override]  # torch says float, and returns tensors
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Tensor]) -> Tensor: ...
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update mean and curvature from what the blocks gathered.

        Args:
            closure: Computes the loss, calls backward and returns the loss; it runs
                `num_samples` times, each with its own draw of the weights.

        Returns:
            The loss averaged over the draws, or None without a closure.

        Raises:
            RuntimeError: If called inside a block, or with nothing gathered.
        """
        if self._inside:
            raise RuntimeError("step must be called outside sampled_params.")
        loss = None if closure is None else self._run_closure(closure)
        if not self._squares:
            raise RuntimeError(
                "step must follow a backward pass inside sampled_params(train=True), "
                "got none."
            )
        self._update()
        self._forget()
        return loss

    def _run_closure(self, closure: Callable[[], Tensor]) -> Tensor:
        self._forget()
        losses = []
        for _ in range(self.num_samples):
            with self.sampled_params(train=True), torch.enable_grad():
                losses.append(closure().detach())
        return torch.stack(losses).mean()

    @torch.no_grad()
    def _update(self) -> None:
        for group in self.param_groups:
            params = [p for p in group["params"] if p in self._squares]
            if not params:
                continue
            states = [self._state(p, group) for p in params]
            gradients = [p.grad for p in params if p.grad is not None]
            if len(gradients) < len(params):
                raise RuntimeError(
                    "gradients must be kept between sampled_params(train=True) and "
                    "step, got parameters whose .grad was removed."
                )
            for state in states:
                state[STEP] += 1
            vogn_update(
                list[Tensor](params),
                gradients,
                [self._squares[p].to(p.dtype) for p in params],
                [state[MOMENTUM] for state in states],
                [state[CURVATURE] for state in states],
                [state[STEP] for state in states],
                group,
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
        deviations = [d.flatten() for g in groups for d in self._deviations(g)]
        return torch.cat(deviations).mean() if deviations else torch.zeros(())

    def state_dict(self) -> dict[str, Any]:
        """State, groups and noise generators; readable with `weights_only=True`."""
        return {**super().state_dict(), GENERATORS: self._noise.state_dict()}

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
        super().load_state_dict({
            key: state_dict[key] for key in ("state", "param_groups")
        })
        self._forget()
        self._noise.load_state_dict(state_dict.get(GENERATORS, {}))


def vogn_update(
    means: list[Tensor],
    gradients: list[Tensor],
    squares: list[Tensor],
    momenta: list[Tensor],
    curvatures: list[Tensor],
    steps: list[int],
    group: dict[str, Any],
) -> None:
    """One VOGN step in place, equations of the module docstring.

    Args:
        means: mu, changed.
        gradients: g, left alone.
        squares: h, left alone.
        momenta: m, changed.
        curvatures: s, changed.
        steps: Number of this step for each parameter, from 1.
        group: Settings of the parameter group.
    """
    beta, decay = group["momentum"], group["curvature_decay"]
    prior = prior_weight(group)
    torch._foreach_mul_(momenta, beta)
    torch._foreach_add_(momenta, gradients, alpha=1 - beta)
    if prior:
        torch._foreach_add_(momenta, means, alpha=(1 - beta) * prior)
    torch._foreach_mul_(curvatures, decay)
    torch._foreach_add_(curvatures, squares, alpha=1 - decay)
    scales = torch._foreach_add(curvatures, group["damping"] + prior)
    rates = [-group["lr"] / (1 - beta**step) for step in steps]
    torch._foreach_addcdiv_(means, momenta, scales, rates)


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


def _lerp(old: Tensor | None, new: Tensor | None, share: float) -> Tensor | None:
    """(1 - share) old + share new, with None for zero."""
    if old is None:
        return new if new is None or share == 1 else new * share
    if new is None:
        return old.mul_(1 - share)
    return old.lerp_(new, share)
