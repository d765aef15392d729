"""Gradients times the inverse of a block-wise approximation of the Fisher matrix.

Papers: Martens and Grosse (2015), "Optimizing Neural Networks with Kronecker-factored
Approximate Curvature", arXiv:1503.05671; Grosse and Martens (2016), arXiv:1602.01573
(convolutions); George et al. (2018), arXiv:1806.03884 (EKFAC); Eschenhagen et al.
(2023), arXiv:2311.00636 (expand and reduce); Osawa et al. (2020), arXiv:2002.06015
(unit-wise norm layers).

Symbols:
    N        examples behind a step, of all ranks and micro-batches
    g_i      gradient of example i's own loss
    a, c     row of a layer's input, with a 1 for the bias; gradient of its output
    A, G     mean over rows of a a^T; (1 / N) sum_i sum_t (dg_it)(dg_it)^T, where dg_it
             is the gradient of example i's own loss w.r.t. the output at position t
    M, P     gradient of a layer as a matrix [out, in]; the natural gradient
    lambda   damping

    P = (G + sqrt(lambda) / pi I)^-1 M (A + pi sqrt(lambda) I)^-1
    pi = sqrt((tr A / in) / (tr G / out))

The mean over the batch that a loss takes is undone in G, so that the statistics do not
depend on the batch size, on splitting a batch into micro-batches or over ranks, on the
scale of a loss, or on whether it is a sum or a mean.

Departures from the papers: averages over steps are corrected for their start; a step
that refreshes uses the statistics of its own batch.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from weakref import finalize

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .._checks import check_choice, check_number, check_positive
from ..curvature.functional import listed
from ..curvature.kronecker.blocks import Shape
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import FactorCapture, Gathered
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.operators import Inversion
from ..curvature.kronecker.rules import Sharing
from ..distributed import (
    DEFAULT_GROUP,
    Group,
    Ranks,
    Weighing,
    check_process_group,
    check_same,
    copy_from_first,
    fraction_named,
    ranks_of,
)
from ..likelihoods import Likelihood, likelihood_named
from .cooperation import Alone, Cooperation, Exchanged
from .covered import kinds_of, named_parameters, warn_of_uncovered
from .curvature import Curvature
from .division import Division, check_distribution, check_half
from .early import wide
from .figures import Figures
from .gathered import LossScale, scale_of
from .loading import check_statistics
from .measures import Share, means_of, share_of
from .noise import NoiseSource
from .passes import passes_named
from .products import Rows, check_vector, multiply
from .refresh import Fixed, Interval, RefreshPlan
from .row_products import RowProducts, is_compiled
from .trust_region import clip

Damping = float | Callable[[int], float]
SHAPES = ("kronecker", "layer", "full", "diagonal")
INVERSIONS = ("cholesky", "eigen", "ekfac")


class KroneckerPreconditioner:
    """Turns gradients into natural gradients, for any optimizer.

    Args:
        model: The network; call it with the examples in the first dimension.
        damping: lambda > 0, or a function of the step that gives it: added to the
            curvature. Large values make the step that of a scaled gradient.
        factor_decay: Weight of the past in the averages of A and G, a step, in [0, 1):
            statistics that are s steps old weigh factor_decay^s. 0 uses the last batch
            alone, and then needs no n x n matrix where a layer is larger than it.
        factor_interval: Steps from one refresh of A and G to the next, >= 1, or a
            function of the step that gives them. Other steps take no statistics, but
            of layers that took no part in the last refresh.
        inverse_interval: The same for the inverses; None inverts what is refreshed.
        kl_clip: Bounds lr^2 <P, g>, twice the change of the outputs' distribution that
            a step of `lr` makes, by scaling all of P down; > 0, or None.
        lr: Learning rate that `kl_clip` looks at, or a function without arguments.
        inversion: "cholesky" inverts A and G with factored damping, as above; "eigen"
            inverts A x G + lambda I exactly, by eigendecomposition; "ekfac" replaces
            the products of eigenvalues by second moments measured in the eigenbasis.
        shape: "kronecker", with unit-wise blocks for norm layers; "layer" (exact
            Fisher of each layer), "full" (of all parameters) and "diagonal" from
            per-example gradients, the first two for small models.
        curvature: "empirical" takes gradients at the data's labels, at no cost;
            "fisher" at labels drawn from the model, by one more backward pass on steps
            that refresh; "exact" averages over labels, by as many passes as outputs.
        likelihood: What labels are drawn from: "categorical", "bernoulli", "gaussian",
            or an object of `vogn_app.likelihoods`.
        sharing: What positions and tokens count as: "expand", each a row of its own,
            as suits losses of tokens; "reduce", their average, as suits networks that
            pool.
        loss_reduction: "mean" or "sum" over the examples of a batch, as the loss does.
            Losses of micro-batches must add up to that of their union.
        process_group: The ranks to train with: "default", a group, or None for none.
            A bare model's gradients are averaged over the ranks by their numbers of
            examples; a DistributedDataParallel averages them itself. All ranks must
            then call every method at the same points.
        distribution: Which share of the ranks preconditions each block:
            "communication", all of them, which get its inverses from the rank that
            owns it; "memory", its owner alone, who gives the others its natural
            gradients; or a share between 1 / ranks and 1, for which both holds.
        communication_dtype: Type in which ranks exchange statistics, torch.float16 or
            torch.bfloat16; None for their own.
        seed: Seed of drawn labels; torch's global generators are left alone.
        params: Parameters to precondition, of the model; None for all.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    Gradients of parameters without a block (`coverage`) stay as they are, and so do all
    until their block was first measured. Calls of the model before one backward pass
    count as views of the same examples where they have as many, else as other examples.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> preconditioner = KroneckerPreconditioner(model)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> optimizer.zero_grad()
        >>> nn.functional.cross_entropy(model(x), y).backward()
        >>> preconditioner.step()
        >>> optimizer.step()
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        damping: Damping = 3e-3,
        factor_decay: float = 0.95,
        factor_interval: Interval = 10,
        inverse_interval: Interval | None = None,
        kl_clip: float | None = None,
        lr: float | Callable[[], float] = 1.0,
        inversion: Inversion = "cholesky",
        shape: Shape = "kronecker",
        curvature: str = "empirical",
        likelihood: str | Likelihood = "categorical",
        sharing: Sharing = "expand",
        loss_reduction: str = "mean",
        process_group: Group = DEFAULT_GROUP,
        distribution: str | float = "communication",
        communication_dtype: torch.dtype | None = None,
        seed: int = 0,
        params: Iterable[nn.Parameter] | None = None,
    ) -> None:
        self.model, self.lr, self.damping = model, lr, damping
        self.curvature = curvature
        self.kl_clip = None if kl_clip is None else check_positive("kl_clip", kl_clip)
        check_choice("shape", shape, SHAPES)
        check_choice("sharing", sharing, ("expand", "reduce"))
        check_choice("inversion", inversion, INVERSIONS)
        self.loss_reduction = check_choice(
            "loss_reduction", loss_reduction, ("mean", "sum")
        )
        self.process_group = check_process_group(process_group)
        self.distribution = check_distribution(distribution)
        if inversion == "ekfac" and distribution not in {"communication", 1.0}:
            raise ValueError(
                "distribution must be 'communication' when inversion is 'ekfac', got "
                f"{distribution!r}."
            )
        self.communication_dtype = check_half(communication_dtype)
        self.likelihood = likelihood_named(likelihood)
        self._noise = NoiseSource(seed)
        self.num_steps = 0
        self.parameters = named_parameters(model, params)
        if not self.parameters:
            raise ValueError("model must have a parameter to train, got none.")
        self._capture = FactorCapture(
            model,
            self.parameters,
            shape=shape,
            sharing=sharing,
            passes=passes_named(curvature, self.likelihood, self._noise.labels),
            keeps_uses=inversion == "ekfac",
        )
        finalize(self, self._capture.close)
        self.blocks = self._capture.blocks
        decay = check_number(
            "factor_decay", factor_decay, minimum=0, maximum=1, open_maximum=True
        )
        plan = self._plan(factor_interval)
        self._state = Curvature(self.blocks, plan, decay, inverse_interval, inversion)
        self._damping()
        self._rows = RowProducts(self.blocks)
        first = next(iter(self.parameters.values()))
        self._kind = first.dtype, first.device
        self._warned: set[str] = set()  # blocks that got gradients but no curvature
        self._figures = Figures()
        self._ranks = Ranks()
        self._cooperation: Cooperation = Alone()
        self._sending = ExitStack()  # while backward runs
        finalize(self, self._sending.close).atexit = False
        warn_of_uncovered(self.coverage(), self.parameters)
        self._arm()

    def _plan(self, factor_interval: Interval) -> RefreshPlan:
        return Fixed(factor_interval)

    def coverage(self) -> dict[str, str]:
        """The kind of block that each parameter is in, "" without one."""
        return kinds_of(self.blocks, self.parameters)

    @property
    def num_inverted(self) -> int:
        """Statistics that this process has inverted so far."""
        return self._state.num_inverted

    def factors(self) -> dict[Key, Moment]:
        """The averaged statistics that this process holds, by block and side."""
        return {key: each.mean for key, each in self._state.factors.present.items()}

    def _arm(self) -> None:
        """Watch for what the coming step refreshes."""
        self._meet_ranks()
        self._due = self._state.due(self.num_steps)
        sides = {name: set[str]() for name in self.blocks}
        for name, side in self._due:
            sides[name].add(side)
        self._noise.begin_at(self.num_steps, self._ranks.rank, self._ranks.size)
        watched = {name: frozenset(each) for name, each in sides.items()}
        self._capture.arm(watched, self._kept())
        self._begin_sending()

    def _begin_sending(self) -> None:
        """Exchange what the coming backward pass finishes while it runs."""
        self._sending.close()
        power = 2 if self.curvature == "empirical" else 0
        weighing = Weighing(mean=self.loss_reduction == "mean", power=power)
        self._sending.enter_context(
            self._cooperation.sending(self._due, self._capture, weighing)
        )

    def _kept(self) -> list[str]:
        """Blocks whose calls in the coming step may give the natural gradient."""
        plain = self.curvature == "empirical" and self.loss_reduction == "mean"
        fits = plain and self._state.inversion == "cholesky" and self._rows.blocks
        on_cpu = next(iter(self.parameters.values())).is_cpu
        if not (fits and on_cpu) or self._ranks.several or is_compiled(self.model):
            return []
        blocks = self._rows.blocks.items()
        operators = {name: self._state.operators_of(block) for name, block in blocks}
        return self._rows.candidates(operators)

    def _meet_ranks(self) -> None:
        """See who takes part, and begin from the same weights."""
        ranks = ranks_of(self.process_group, self.model)
        if ranks == self._ranks:
            return
        self._ranks, self._cooperation = ranks, Alone()
        if not ranks.several:
            return
        device = next(iter(self.parameters.values())).device
        numbers = torch.tensor([self.num_steps, self._noise.seed])
        check_same("steps and seed", numbers.to(device), ranks)
        copy_from_first(self.model, ranks)
        self._cooperation = self._divide(ranks)

    def _divide(self, ranks: Ranks) -> Division:
        """How the ranks share the work."""
        fraction = fraction_named(self.distribution, ranks.size)
        half, inversion = self.communication_dtype, self._state.inversion
        return Division(self.parameters, self.blocks, ranks, fraction, half, inversion)

    @torch.no_grad()
    def step(self, loss_scale: LossScale | None = None) -> None:
        """Replace gradients by natural gradients, after backward passes.

        Args:
            loss_scale: Number or `GradScaler` that the loss was multiplied by.
        """
        scale = None if loss_scale is None else scale_of(loss_scale)
        natural = self.natural_gradients(loss_scale=scale)
        for name, gradient in natural.items():
            parameter = self.parameters[name]
            if parameter.grad is None:  # other ranks have one
                parameter.grad = gradient
            else:
                parameter.grad.copy_(gradient)

    def natural_gradients(
        self,
        loss_scale: float | Tensor | None = None,
        rates: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Take a step's statistics, and return its natural gradients.

        Args:
            loss_scale: What the loss was multiplied by, the same on all ranks, where
                gradients still carry it or did when the backward pass ran.
            rates: Learning rates that `kl_clip` looks at; `lr` by default.

        Returns:
            By parameter name, new tensors; `.grad` is left alone.
        """
        gradients, natural = self.measured(loss_scale)
        if self.kl_clip is not None:
            lr = self.lr() if callable(self.lr) else self.lr
            rates = dict.fromkeys(gradients, lr) if rates is None else rates
            clip(natural, gradients, rates, self.kl_clip)
        return natural

    def measured(
        self, loss_scale: float | Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Take a step's statistics.

        Args:
            loss_scale: As `natural_gradients`.

        Returns:
            Gradients of the mean over the examples of all ranks, and natural gradients
            in new tensors, not clipped; by parameter name.

        Raises:
            RuntimeError: If the model was moved after statistics had been taken.
        """
        self._check_moved()
        gathered = self._gathered()
        found = self._cooperation.exchange(
            self._due, gathered, gradients=self._sends_gradients
        )
        gradients = self._mean_gradients(gathered, found)
        self._refresh(gathered, found, loss_scale)
        products = self._products(gradients, self._row_pairs(gradients))
        natural = {
            k: v.clone() if v is gradients[k] else v for k, v in products.items()
        }
        self.num_steps += 1
        self._figures.steps += 1
        self._arm()
        return gradients, natural

    def _check_moved(self) -> None:
        """An error if the statistics are of another type, or on another device."""
        first = next(iter(self.parameters.values()))
        now, before = (first.dtype, first.device), self._kind
        if self._state.known and now != before:
            raise RuntimeError(
                "the model must keep its type and device once statistics were taken, "
                f"got {now[0]} on {now[1]} after {before[0]} on {before[1]}: move it "
                "before the optimizer is made."
            )
        self._kind = now

    def _gathered(self) -> Gathered:
        """What the passes since the last step have said."""
        return self._capture.gather()

    def skip(self) -> None:
        """Drop what the passes since the last step have gathered, on all ranks."""
        self._give_up()
        self._arm()

    def forget_passes(self) -> None:
        """Drop what backward passes since the last step have said, on this rank.

        Calls of the model that wait for theirs stay. What other ranks were already sent
        is sent again, as whatever changes before the step.
        """
        self._capture.forget_passes()

    def _give_up(self) -> None:
        """End a step that is under way, on all ranks."""
        same = ranks_of(self.process_group, self.model) == self._ranks
        if same and self._sends_gradients:
            self._cooperation.drop()

    @property
    def _sends_gradients(self) -> bool:
        """Whether gradients are exchanged, and not by a DistributedDataParallel."""
        wrapped = isinstance(self.model, DistributedDataParallel)
        return not (wrapped or self._capture.in_parallel)

    def any_rank(self, flag: bool) -> bool:
        """Whether a flag is true on some rank."""
        if not self._ranks.several:
            return flag
        if self._sends_gradients:
            self._cooperation.launch(self._gathered())
        return self._cooperation.totals([flag])[0] > 0

    def _mean_gradients(
        self, gathered: Gathered, found: Exchanged
    ) -> dict[str, Tensor]:
        """Gradients of the mean over the examples of all ranks."""
        if found.gradients is not None:
            return found.gradients
        gradients = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        if self.loss_reduction == "mean" or not gradients:
            return gradients
        (num,) = self._cooperation.totals([gathered.num_examples])
        divisor = max(1, num) / self._ranks.size
        values = torch._foreach_div(list(gradients.values()), divisor)
        return dict(zip(gradients, values, strict=True))

    def _refresh(
        self,
        gathered: Gathered,
        found: Exchanged,
        loss_scale: float | Tensor | None,
    ) -> None:
        """Put the statistics of a step into the averages, and invert them in time."""

        def share(weight: float) -> Share:
            mean, total = self.loss_reduction == "mean", found.num_examples
            return share_of(gathered, loss_scale, total, weight, mean=mean)

        if self._due:
            means = means_of(found.sums, share(found.weight), found.counts)
            self._take(found.keys, means)
            self._note_missing(found)
        damping = self._damping()
        self._state.invert(self.num_steps, damping, self._cooperation, self._figures)
        if self._state.inversion == "ekfac" and self._due:
            step, own = self.num_steps, share(found.own_weight)
            uses, shared = gathered.uses, self._cooperation
            self._state.measure(found.keys, uses, own, shared, step)

    def _take(self, keys: Sequence[Key], new: Mapping[Key, Moment]) -> None:  # noqa: ARG002
        """Take the statistics that were refreshed on some rank."""
        self._state.take(new, self._state.judge(new), self.num_steps)
        self._figures.refreshed += len(new)

    def _note_missing(self, found: Exchanged) -> None:
        """Note what was due but took no part; say once what never did though trained.

        Args:
            found: What all ranks have seen.
        """
        seen = set(found.keys)
        missing = [key for key in self._due if key not in seen]
        if not missing or not found.num_examples:
            return
        self._state.plan.missed(missing, self.num_steps)
        trained = {
            key[0]
            for key in missing
            if key not in self._state.known
            and any(
                self.parameters[part.name].grad is not None
                for part in self.blocks[key[0]].parts.values()
            )
        }
        if news := trained - self._warned:
            self._warned |= news
            warnings.warn(
                f"{listed(sorted(news))} got gradients but no curvature: the layer was "
                "not called on the examples of a batch, or its gradient did not come "
                "from a backward pass. Until it has, the gradient is used as it is.",
                stacklevel=4,
            )

    def _damping(self) -> float:
        damping = self.damping
        value = damping(self.num_steps) if callable(damping) else damping
        return check_positive("damping", value)

    @torch.no_grad()
    def precondition(self, vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Multiply a vector by the inverse of the damped curvature.

        Args:
            vector: Tensors in the shapes of the parameters that are preconditioned, by
                name; others count as zero.

        Returns:
            The product by the same names. What has no block, or one that was never
            measured, is returned as it is.

        Raises:
            TypeError: If it is no mapping, or holds what is no tensor.
            ValueError: If a name, a shape or a type is wrong.
        """
        check_vector(vector, self.parameters)
        given = {n: v.to(wide(self.parameters[n])) for n, v in vector.items()}
        products = self._products(given)
        return {
            name: value
            if products[name] is given[name]
            else products[name].to(value.dtype)
            for name, value in vector.items()
        }

    def _row_pairs(self, gradients: Mapping[str, Tensor]) -> Rows:
        """Rows whose products are the gradients of their blocks."""
        return self._rows.proved(self._rows.rows(self._capture.lone_uses()), gradients)

    def _products(
        self, vector: Mapping[str, Tensor], rows: Rows | None = None
    ) -> dict[str, Tensor]:
        return multiply(
            vector, self.parameters, self._state, self._cooperation, rows or {}
        )

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            f"{type(self).__name__} cannot be copied or pickled: make another for the "
            "copied model, and load this one's state_dict() there."
        )

    def figures(self) -> dict[str, float]:
        """For logs, over the steps since the last call.

        Returns:
            `damping`, `factor_interval` and `inverse_interval` as they are now,
            `refreshed_share` of all statistics a step, and `inverse_seconds` a step.
        """
        step, state = self.num_steps, self._state
        now = {
            "damping": self._damping(),
            "factor_interval": state.plan.mean_interval(step),
            "inverse_interval": state.mean_inverse_interval(step),
        }
        return now | self._figures.take(len(state.keys))

    def state_dict(self) -> dict[str, Any]:
        """Statistics, and what their inverses were made of; plain data and tensors."""
        own = {
            "num_steps": self.num_steps,
            "seed": self._noise.seed,
            "figures": self._figures.state_dict(),
            "rows": self._rows.state_dict(),
        }
        return own | self._state.state_dict()

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check a state to load.

        Args:
            state: The state.

        Raises:
            ValueError: If it is not of a preconditioner of the same model and shape.
        """
        check_statistics(self._state.blocks, self._state.plan, state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave; on every rank.

        Statistics of another `inversion` are inverted anew, at the state's damping.

        Args:
            state: Of a preconditioner of the same model and shape, trained in any
                number of processes.

        Raises:
            ValueError: If it is of another; nothing has changed then.
        """
        self.check_state(state)
        likes = {
            name: self.parameters[next(iter(block.parts.values())).name]
            for name, block in self.blocks.items()
        }
        self._give_up()
        self.num_steps, self._noise.seed = state["num_steps"], state["seed"]
        self._figures.load_state_dict(state["figures"])
        self._rows.load_state_dict(state["rows"])
        self._ranks, self._cooperation = Ranks(), Alone()  # to meet again
        self._meet_ranks()
        self._state.load_state_dict(state, likes, self._cooperation)
        self._arm()
