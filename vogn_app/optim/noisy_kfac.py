"""Noisy K-FAC: natural-gradient variational inference with matrix Gaussians.

Paper: Zhang, Sun, Duvenaud, Grosse (2018), "Noisy Natural Gradient as Variational
Inference", arXiv:1712.02390, section 3.3 and algorithm 2.

It learns the q(w), a Gaussian N(mu, C) for each block of the network, that minimises
N E_q[loss] + tau KL(q || N(0, I / delta)), as VOGN does with a diagonal C.

Symbols:
    N      num_data * augmentation_factor   examples the posterior is told of
    delta  prior_precision                  precision of the prior N(0, I / delta)
    tau    temperature                      weight of the KL term
    gamma  damping                          external damping
    mu     the parameters themselves        posterior mean
    g      parameter.grad after the blocks  mean over examples of gradients
    F      mean over examples of g_i g_i^T  of one block of the network
    A, G   factors with F ~ A x G           averages over steps (`preconditioner`)
    X      F itself                         where a block has one statistic
    eps    gamma + tau delta / N,           r = sqrt(eps)
    pi     sqrt((tr A / in) / (tr G / out)) how the factors share r
    v      state["momentum_buffer"]         sum of natural gradients

    two factors   C = (tau / N) (A + pi r I)^-1 x (G + r / pi I)^-1     "cholesky"
                  C = (tau / N) (A x G + eps I)^-1                      "eigen"
    one factor    C = (tau / N) (X + eps I)^-1

    w  ~  N(mu, C)
    d  <- (N / tau) C (g + (tau delta / N) mu)
    v  <- momentum v + d
    mu <- mu - lr v

Without noise this is K-FAC on the loss with a weight decay of tau delta / N in it.
Linear maps, convolutions and embeddings have two factors. Norm layers have one, blocks
of 2x2, and so do layers without a rule (a diagonal). Parameters without a block, and
BatchNorm's by default, have no noise and no prior. Nor has a block noise before it was
first measured, so the first step is taken at the mean.

What is exact. The precision of the tempered posterior, with F for the Hessian, is
(N F + tau delta I) / tau. With gamma it is L = (N / tau) (F + eps I), as in VOGN.
    - With one factor C^-1 = L, with X for F; with two, "eigen" has C^-1 = L with A x G
      for F: no approximation but that of F itself.
    - "cholesky", the paper's form, is a matrix Gaussian with the eigenvectors of L. For
      eigenvalues a of A and g of G, C^-1 has (N / tau) (a + pi r) (g + r / pi) where L
      has (N / tau) (a g + eps). The difference, (N / tau) r (a / pi + pi g), is never
      negative: C is narrower than it should be, never wider. It vanishes where eps
      does (a flat prior, no damping), and where a and g do, which leaves the prior. If
      both factors are isotropic, C^-1 is at most twice L.
    - mu depends on C only through the draws: it is where the mean over q of
      g + (tau delta / N) mu vanishes. For a model linear in its weights and squared
      errors this is the mean of the exact posterior.

Departures from the paper:
    1. gamma counts in C as it does in the step, as in VOGN; the paper draws with
       gamma = 0.
    2. The prior pulls at mu instead of the drawn w: the same on average.
    3. Averages of A and G are corrected for their start, and there is momentum.
    4. "eigen".

Curvature: as VOGN's docstring has it. "empirical" factors carry the residuals; "fisher"
takes labels drawn from the model and "exact" averages over all labels, so that F is the
Gauss-Newton matrix of the loss.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_count, check_number
from ..curvature.kronecker.blocks import Shape
from ..curvature.kronecker.rules import Sharing
from ..curvature.recording import Recording
from ..distributed import DEFAULT_GROUP, Group
from ..likelihoods import Likelihood
from ..posterior import MatrixGaussianPosterior
from .blockwise import BlockPreconditioner
from .descent import MOMENTUM, buffer_of, check_descent, descend
from .gathered import LossScale, scale_of
from .groups import AUTO, AUTO_PRIOR, Setting, plain
from .loading import METHOD, check_method, check_settings, check_shapes, check_sizes
from .matrix_noise import MatrixNoise
from .noise import TRAINING
from .refresh import Interval
from .sampled import NOISE, NUM_STEPS, Params
from .sampling import displace
from .unsquared import UnsquaredOptimizer

PRECONDITIONER, NUM_DATA = "preconditioner", "num_data"  # keys of state_dict()
INVERSIONS = ("cholesky", "eigen")
# What "auto" stands for, over N; found on digits and on parts of Fashion-MNIST.
AUTO_DAMPING = 200.0


class NoisyKFAC(UnsquaredOptimizer):
    """Natural-gradient variational inference with a Gaussian for every layer.

    It is used as `VOGN` is: blocks of passes at drawn weights, and steps. Settings
    marked * may differ between parameter groups.

    Args:
        model: The network; call it with the examples in the first dimension.
        num_data: Size of the training set, >= 1: how much evidence there is.
        lr: * Learning rate >= 0.
        momentum: * Weight of the past in the sum of natural gradients, in [0, 1). As it
            is a sum, lr / (1 - momentum) is the size of steps in the long run.
        prior_precision: delta >= 0: larger pulls the weights to zero. "auto", the
            default, is N / 1200, as VOGN's.
        temperature: tau > 0, the weight of the KL term. 1 is the posterior of Bayes'
            rule; below 1 it is colder, that is narrower.
        damping: gamma >= 0, added to the curvature in the step and in the precision.
            "auto", the default, is 200 / N: it bounds the noise by 1 / sqrt(200 / tau)
            where the data say nothing. 0 for the exact tempered posterior; then the
            prior alone damps, and delta must be > 0.
        augmentation_factor: How many examples an augmented one counts for, > 0; 1.
        factor_decay: Weight of the past in the averages of A and G, in [0, 1).
        factor_interval: Steps from one refresh of A and G to the next, >= 1, or a
            function of the step that gives them.
        inverse_interval: The same for C; None renews it with A and G.
        kl_clip: Bounds lr^2 <d, g>, twice the change of the outputs' distribution that
            a step without momentum makes, by scaling all of d down; > 0, or None for
            none. 1e-3 keeps the first steps from running away.
        inversion: "cholesky" for the paper's C, a matrix Gaussian; "eigen" for the
            exact one, whose eigendecompositions take several times as long.
        shape: "kronecker"; or "layer", "full" and "diagonal" as
            `KroneckerPreconditioner`, of which the first two are for small models.
        curvature: "empirical", "fisher" or "exact".
        likelihood: What labels are drawn from with the last two.
        sharing: What positions and tokens count as, "expand" or "reduce".
        num_samples: Weight samples that `step(closure)` draws, >= 1; 1. In a plain loop
            enter `sampled_params(train=True)` as often as you like.
        loss_reduction: "mean" or "sum" over the examples of a batch, as the loss does.
        batch_norm: "deterministic" trains BatchNorm's scale and shift without noise and
            prior; "sampled" treats them as other norm layers.
        automatic: Whether forward passes in train mode begin blocks by themselves, as
            `VOGN`.
        process_group: The ranks to train with: "default", a group, or None for none.
            Each rank draws its own noise; gradients and statistics are averaged over
            the examples of all ranks.
        communication_dtype: Type in which ranks exchange statistics, torch.float16 or
            torch.bfloat16; None for their own.
        seed: Seed of weight noise and drawn labels; torch's global generators are left
            alone.
        params: Parameters or parameter groups, all of them the model's; by default
            every parameter that requires a gradient. None can be added later.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    `temperature`, `damping` and `prior_precision` are attributes too, which may be
    changed between steps; C follows when it is next renewed.

    State:
        `state[p]` holds "momentum_buffer"; `state_dict()` adds the statistics, the
        noise's position and `num_steps`. Statistics between a block and the next
        `step()` are not saved.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = NoisyKFAC(model, num_data=100, lr=0.1)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> with optimizer.sampled_params(train=True):
        ...     optimizer.zero_grad()
        ...     nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
        >>> probabilities = optimizer.posterior().predict_proba(model, x)
    """

    _method = "NoisyKFAC"  # what its states and posteriors call it
    _own = (
        "num_data", "augmentation_factor", "prior_precision", "temperature", "damping",
        "batch_norm", "_settings",
    )  # fmt: skip
    _copied = (*UnsquaredOptimizer._copied, *_own)

    def __init__(
        self,
        model: nn.Module,
        *,
        num_data: int,
        lr: float = 0.03,
        momentum: float = 0.9,
        prior_precision: Setting = AUTO,
        temperature: float = 1.0,
        damping: Setting = AUTO,
        augmentation_factor: float = 1.0,
        factor_decay: float = 0.95,
        factor_interval: Interval = 10,
        inverse_interval: Interval | None = None,
        kl_clip: float | None = 1e-3,
        inversion: str = "cholesky",
        shape: Shape = "kronecker",
        curvature: str = "empirical",
        likelihood: str | Likelihood = "categorical",
        sharing: Sharing = "expand",
        num_samples: int = 1,
        loss_reduction: str = "mean",
        batch_norm: str = "deterministic",
        automatic: bool = False,
        process_group: Group = DEFAULT_GROUP,
        communication_dtype: torch.dtype | None = None,
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        self.num_data = check_count("num_data", num_data)
        self.augmentation_factor = _positive("augmentation_factor", augmentation_factor)
        num = self.num_data * self.augmentation_factor
        self.prior_precision = _auto(prior_precision, AUTO_PRIOR * num)
        self.damping = _auto(damping, AUTO_DAMPING / num)
        self.temperature = plain(temperature)
        self._total_damping(0)
        self.batch_norm = check_choice(
            "batch_norm", batch_norm, ("deterministic", "sampled")
        )
        check_choice("inversion", inversion, INVERSIONS)
        self._settings: dict[str, Any] = {
            "factor_decay": factor_decay,
            "factor_interval": factor_interval,
            "inverse_interval": inverse_interval,
            "kl_clip": kl_clip,
            "inversion": inversion,
            "shape": shape,
            "curvature": curvature,
            "likelihood": likelihood,
            "sharing": sharing,
            "loss_reduction": loss_reduction,
            "communication_dtype": communication_dtype,
            "seed": seed,
        }
        super().__init__(
            model,
            params,
            {"lr": plain(lr), "momentum": plain(momentum)},
            num_samples=num_samples,
            loss_reduction=loss_reduction,
            curvature_interval=1,
            seed=seed,
            automatic=automatic,
            process_group=process_group,
            likelihood=likelihood,
        )
        self.curvature = curvature
        self._build()

    def _build(self) -> None:
        """Lay the model out in blocks."""
        self.preconditioner = BlockPreconditioner(
            self.model,
            damping=self._total_damping,
            process_group=self.process_group,
            params=self._parameters(),
            **self._settings,
        )
        self._spread = MatrixNoise(
            self.model, self.preconditioner, silent_norms=self.batch_norm != "sampled"
        )

    def _start_afresh(self) -> None:
        super()._start_afresh()
        if (known := vars(self).get("preconditioner")) is not None:
            known.skip()

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs; copy model and optimizer in one `copy.deepcopy`."""
        statistics = self.preconditioner.state_dict()
        return {**super().__getstate__(), PRECONDITIONER: statistics}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = {key: value for key, value in state.items() if key != PRECONDITIONER}
        super().__setstate__(own)
        if PRECONDITIONER in state:  # a copy, not a state that was loaded
            self._build()
            self.preconditioner.load_state_dict(state[PRECONDITIONER])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Check the settings of a group; after construction there can be no more."""
        if vars(self).get("preconditioner") is not None:
            raise ValueError(
                "params must all be given when the optimizer is made, got another "
                "group: include frozen ones that are to be trained later."
            )
        rest = {k: plain(v) for k, v in param_group.items() if k != "params"}
        check_descent({**self.defaults, **rest})
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        members = [self._named(parameter)[1] for parameter in params]
        super().add_param_group({**rest, "params": members})

    # --- settings ---------------------------------------------------------------------

    @property
    def _prior_weight(self) -> float:
        """Tau delta / N."""
        return self._scale * check_number(
            "prior_precision", self.prior_precision, minimum=0
        )

    @property
    def _scale(self) -> float:
        """Tau / N."""
        num = self.num_data * self.augmentation_factor
        return _positive("temperature", self.temperature) / num

    def _total_damping(self, step: int) -> float:  # noqa: ARG002
        """Eps: damping and prior."""
        eps = check_number("damping", self.damping, minimum=0) + self._prior_weight
        if not eps:
            raise ValueError("damping must be > 0 when prior_precision is 0, got 0.")
        return eps

    # --- draws ------------------------------------------------------------------------

    @torch.no_grad()
    def _perturb(self) -> Callable[[], None]:
        """Add noise to the sampled parameters; returns what undoes it exactly."""
        return displace(self._spread.draw(self._noise, self._scale), self._means)

    # --- blocks -----------------------------------------------------------------------

    def _refreshes(self) -> bool:
        """Whether squares are wanted: never."""
        return False

    @contextmanager
    def _recording(self, called: nn.Module | None) -> Iterator[Recording]:
        draws, ranks = self._noise.state_dict()[TRAINING], self._ranks
        with (
            self.preconditioner.block(draws - ranks.size + ranks.rank),
            super()._recording(called) as recording,
        ):
            yield recording

    @torch.no_grad()
    def _gather(
        self,
        recording: Recording,
        before: list[Tensor | None],
        loss_scale: LossScale | None,
        together: bool,
    ) -> None:
        super()._gather(recording, before, loss_scale, together)
        scale = None if loss_scale is None else scale_of(loss_scale)
        self.preconditioner.keep(together=together, scale=scale)

    def _forget(self) -> None:
        super()._forget()
        self.preconditioner.skip()

    # --- steps ------------------------------------------------------------------------

    def _may_step(self) -> bool:
        told = getattr(self, "grad_scale", None)
        if not super()._may_step():
            return False
        if getattr(self, "found_inf", None) is None or not self._needs_scale:
            return True
        if told is None:
            raise RuntimeError(
                "loss_scale must be given to sampled_params(train=True) when "
                "scaler.unscale_(optimizer) is called, got None."
            )
        self.preconditioner.unscale(told)
        return True

    @property
    def _needs_scale(self) -> bool:
        return self.preconditioner.needs_scale

    @torch.no_grad()
    def _update(self, squares: dict[nn.Parameter, Tensor] | None) -> None:  # noqa: ARG002
        every = self.preconditioner.parameters
        names = {id(p): name for name, p in every.items()}
        rates = {
            names[id(p)]: float(group["lr"])
            for group in self.param_groups
            for p in group["params"]
        }
        gradients = {
            name: self._with_prior(name, p)
            for name, p in every.items()
            if p.grad is not None
        }
        natural = self.preconditioner.natural(gradients, rates)
        for group in self.param_groups:
            members = [p for p in group["params"] if names[id(p)] in natural]
            steps = [natural[names[id(p)]] for p in members]
            moving = members if group["momentum"] else []
            buffers = [buffer_of(self.state[p], p) for p in moving]
            descend(members, steps, buffers, group)

    def _with_prior(self, name: str, parameter: nn.Parameter) -> Tensor:
        """Gradient of the loss and the prior per example."""
        gradient = parameter.grad
        assert gradient is not None
        if name not in self._spread.names or not self._prior_weight:
            return gradient
        return torch.add(gradient, parameter, alpha=self._prior_weight)

    # --- the posterior ----------------------------------------------------------------

    @torch.no_grad()
    def posterior(self) -> MatrixGaussianPosterior:
        """The posterior as it is now, to predict with, to report on and to save.

        Returns:
            A copy, which later steps leave alone and which needs no optimizer. Names
            are those in the model within wrappers. Blocks that no step has measured
            have no noise.

        Raises:
            RuntimeError: If called inside a block, where the weights are a draw.
        """
        if self._blocks is not None:
            self._blocks.give_up()
        if self._inside:
            raise RuntimeError("posterior must be called outside sampled_params.")
        blocks = self._spread.blocks(self._scale)
        names = [p.name for block in blocks for p in block.layout.parts.values()]
        return MatrixGaussianPosterior.from_model(
            self.model,
            blocks,
            prior_precision=dict.fromkeys(names, float(self.prior_precision)),
            metadata=self._metadata(),
        )

    def _metadata(self) -> dict[str, str | int | float]:
        return {
            "method": self._method,
            "num_data": self.num_data,
            "augmentation_factor": self.augmentation_factor,
            "temperature": float(self.temperature),
            "damping": float(self.damping),
            "num_steps": self.num_steps,
        }

    @torch.no_grad()
    def mean_deviation(self) -> Tensor:
        """Posterior standard deviation averaged over all sampled weights, a scalar."""
        return self._spread.mean_deviation(self._scale)

    def figures(self) -> dict[str, float]:
        """For logs, as `KroneckerPreconditioner.figures`; the damping is eps."""
        return self.preconditioner.figures()

    # --- state ------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State, groups, statistics and the noise's position, in plain data."""
        own = {
            METHOD: self._method,
            PRECONDITIONER: self.preconditioner.state_dict(),
            NUM_DATA: self.num_data,
        }
        return {**super().state_dict(), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Args:
            state_dict: From an optimizer with the same groups and `num_data`.

        Raises:
            ValueError: If groups, shapes or `num_data` differ; nothing changes then.
        """
        groups = "state", "param_groups"
        wanted = METHOD, PRECONDITIONER, NUM_DATA, NOISE, NUM_STEPS, *groups
        check_method(self._method, state_dict, wanted)
        if state_dict.get(NUM_DATA) != self.num_data:
            raise ValueError(
                f"num_data must be {self.num_data} in the state to load, got "
                f"{state_dict.get(NUM_DATA)!r}."
            )
        check_sizes(self.param_groups, state_dict)
        check_settings(self.param_groups, state_dict, self.defaults)
        check_shapes(self.param_groups, state_dict, (MOMENTUM,))
        self.preconditioner.check_state(state_dict[PRECONDITIONER])
        super().load_state_dict(state_dict)
        self.preconditioner.load_state_dict(state_dict[PRECONDITIONER])


def _auto(value: Setting, otherwise: float) -> Any:
    return otherwise if value == AUTO else plain(value)


def _positive(name: str, value: float) -> float:
    return check_number(name, plain(value), minimum=0, open_minimum=True)
