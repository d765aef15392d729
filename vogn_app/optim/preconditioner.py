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
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any
from weakref import finalize

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .._checks import check_choice, check_number
from ..curvature.kronecker.blocks import INPUTS, Block, Shape
from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import FactorCapture, Gathered, Passes
from ..curvature.kronecker.inverses import Inverse
from ..curvature.kronecker.moments import Moment
from ..curvature.kronecker.operators import apply, dampings_of, invert
from ..curvature.kronecker.rules import Sharing
from ..curvature.evidence import promoted
from ..curvature.functional import listed
from ..curvature.labels import FisherPass
from ..curvature.layers import unwrapped
from ..distributed import (
    DEFAULT_GROUP,
    Exchange,
    Group,
    Ranks,
    Statistics,
    Weighing,
    check_process_group,
    check_same,
    copy_from_first,
    fraction_named,
    ranks_of,
)
from ..distributed.assignment import NAMED_FRACTIONS
from ..distributed.packing import HALF_TYPES
from ..likelihoods import Likelihood, likelihood_named
from .division import Division
from .factors import Factors, is_finite, key_text
from .figures import Figures
from .gathered import LossScale, scale_of
from .noise import NoiseSource
from .refresh import Fixed, Interval, RefreshPlan, interval_at

Damping = float | Callable[[int], float]
CURVATURES = ("empirical", "fisher", "exact")
SHAPES = ("kronecker", "layer", "full", "diagonal")


class KroneckerPreconditioner:
    """Turns gradients into natural gradients, for any optimizer.

    Args:
        model: The network; call it with the examples in the first dimension.
        damping: lambda > 0, or a function of the step that gives it: added to the
            curvature. Large values make the step that of a scaled gradient.
        factor_decay: Weight of the past in the averages of A and G, in [0, 1). 0 uses
            the last batch alone, and then needs no n x n matrix where a layer is larger
            than the batch.
        factor_interval: Steps from one refresh of A and G to the next, >= 1, or a
            function of the step that gives them. Other steps see no hooks.
        inverse_interval: The same for the inverses; None inverts what is refreshed.
        kl_clip: Bounds lr^2 <P, g>, twice the change of the outputs' distribution that
            a step of `lr` makes, by scaling all of P down; > 0, or None.
        lr: Learning rate that `kl_clip` looks at, or a function without arguments.
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
    until their block was first measured.

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
        damping: Damping = 1e-3,
        factor_decay: float = 0.95,
        factor_interval: Interval = 10,
        inverse_interval: Interval | None = None,
        kl_clip: float | None = None,
        lr: float | Callable[[], float] = 1.0,
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
        self.model, self.lr = model, lr
        self.damping = damping
        self.factor_decay = check_number(
            "factor_decay", factor_decay, minimum=0, maximum=1, open_maximum=True
        )
        self.inverse_interval = inverse_interval
        self._plan: RefreshPlan = Fixed(factor_interval)
        self.kl_clip = kl_clip
        if kl_clip is not None:
            check_number("kl_clip", kl_clip, minimum=0, open_minimum=True)
        check_choice("shape", shape, SHAPES)
        check_choice("sharing", sharing, ("expand", "reduce"))
        self.curvature = check_choice("curvature", curvature, CURVATURES)
        self.loss_reduction = check_choice(
            "loss_reduction", loss_reduction, ("mean", "sum")
        )
        self.process_group = check_process_group(process_group)
        self.distribution = check_distribution(distribution)
        self.communication_dtype = check_half(communication_dtype)
        self._ranks = Ranks()
        self._division: Division | None = None
        self._exchange: Exchange | None = None
        self._sending = ExitStack()  # of gradients, while backward runs
        self.likelihood = likelihood_named(likelihood)
        self._noise = NoiseSource(seed)
        self.num_steps = 0
        self.parameters = named_parameters(model, params)
        self._capture = FactorCapture(
            model, self.parameters, shape=shape, sharing=sharing, passes=self._passes()
        )
        finalize(self, self._capture.close).atexit = False
        self.blocks = self._capture.blocks
        self._factors = Factors()
        self._inverses: dict[Key, Inverse] = {}
        self._stale: set[Key] = set()  # refreshed since they were inverted
        self._next_inverse = 0
        self._figures = Figures()
        self.num_inverted = 0  # statistics that this process has inverted
        self._warn_of_uncovered()
        self._arm()

    def _passes(self) -> Passes | None:
        """Gradients at labels of the model's own; None for the data's."""
        if self.curvature == "empirical":
            return None
        if self.curvature == "exact":
            roots = getattr(self.likelihood, "square_roots", None)
            if roots is None:
                raise ValueError(
                    "likelihood must have the method square_roots when curvature is "
                    f"'exact', got {self.likelihood!r}."
                )
            return lambda output, _: (
                root.to(output.dtype) for root in roots(promoted(output))
            )
        drawn = FisherPass(self.likelihood, self._noise.labels)
        return lambda output, num: [drawn.gradient(output, num)]

    def _warn_of_uncovered(self) -> None:
        covered = self.coverage()
        left = [name for name, kind in covered.items() if not kind]
        if left:
            number = sum(self.parameters[name].numel() for name in left)
            share = number / sum(p.numel() for p in self.parameters.values())
            warnings.warn(
                f"{listed(left)} ({share:.1%} of the parameters) have no curvature: "
                "no layer that is known owns them. Their gradient is used as it is.",
                stacklevel=3,
            )

    def coverage(self) -> dict[str, str]:
        """The kind of block that each parameter is in, "" without one."""
        kinds = {
            part.name: block.kind
            for block in self.blocks.values()
            for part in block.parts.values()
        }
        return {name: kinds.get(name, "") for name in self.parameters}

    @property
    def keys(self) -> list[Key]:
        """All statistics, by block and side."""
        return [(b.name, side) for b in self.blocks.values() for side in b.sides]

    def _arm(self) -> None:
        """Watch for what the coming step refreshes."""
        self._meet_ranks()
        due = self._plan.due(self.keys, self.num_steps)
        self._due = [key for key in self.keys if key in due]
        sides = {name: set[str]() for name in self.blocks}
        for name, side in due:
            sides[name].add(side)
        self._noise.begin_training(self._ranks.rank, self._ranks.size)
        self._capture.arm({name: frozenset(each) for name, each in sides.items()})
        self._sending.close()
        if self._exchange is not None:
            self._sending.enter_context(self._exchange.overlapping(
                lambda _: None, self._capture.lone_examples, self._weighing()
            ))  # fmt: skip

    def _weighing(self) -> Weighing:
        return Weighing(mean=self.loss_reduction == "mean")

    def _meet_ranks(self) -> None:
        """See who takes part, and begin from the same weights."""
        ranks = ranks_of(self.process_group, self.model)
        if ranks == self._ranks:
            return
        self._ranks, self._division, self._exchange = ranks, None, None
        if not ranks.several:
            return
        parameters = list(self.parameters.values())
        steps = [self.num_steps, *self._noise.state_dict().values()]
        numbers = torch.tensor(steps, device=parameters[0].device)
        check_same("steps and seed", numbers, ranks)
        copy_from_first(self.model, ranks)
        fraction = fraction_named(self.distribution, ranks.size)
        half = self.communication_dtype
        self._division = Division(self.blocks, ranks, fraction, half, parameters[0])
        if not isinstance(self.model, DistributedDataParallel):
            self._exchange = Exchange(parameters, ranks, squares=False)

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
        rates: Mapping[str, float] | None = None,
    ) -> dict[str, Tensor]:
        """Take a step's statistics, and return its natural gradients.

        Args:
            loss_scale: What the loss was multiplied by, where gradients still carry it
                or did when the backward pass ran.
            rates: Learning rates that `kl_clip` looks at; `lr` by default.

        Returns:
            By parameter name, new tensors; `.grad` is left alone.
        """
        gathered = self._capture.gather()
        gradients = self._mean_gradients(gathered)
        self._refresh(gathered, loss_scale)
        self._invert()
        natural = self.precondition(gradients)
        if self.kl_clip is not None:
            self._clip(natural, gradients, rates)
        self.num_steps += 1
        self._figures.steps += 1
        self._arm()
        return natural

    def skip(self) -> None:
        """Drop what the passes since the last step have gathered, on all ranks."""
        if self._exchange is not None and not self._averaged:
            self._exchanged_gradients(self._capture.gather())  # it is under way
        self._arm()

    @property
    def _averaged(self) -> bool:
        """Whether a DistributedDataParallel has averaged the gradients."""
        return self._ranks.several and self._capture.in_parallel

    def any_rank(self, flag: bool) -> bool:
        """Whether a flag is true on some rank."""
        if self._division is None:
            return flag
        return self._division.totals([flag])[0] > 0

    def _mean_gradients(self, gathered: Gathered) -> dict[str, Tensor]:
        """Gradients of the mean over the examples of all ranks."""
        if self._exchange is not None and not self._averaged:
            return self._exchanged_gradients(gathered)
        gradients = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        if self.loss_reduction == "mean" or not gradients:
            return gradients
        num = gathered.num_examples
        if self._division is not None:
            num = self._division.totals([num])[0]
        divisor = max(1, num) / self._ranks.size
        values = torch._foreach_div(list(gradients.values()), divisor)
        return dict(zip(gradients, values, strict=True))

    def _exchanged_gradients(self, gathered: Gathered) -> dict[str, Tensor]:
        assert self._exchange is not None
        gradients = [p.grad for p in self.parameters.values()]
        nothing: list[Tensor | None] = [None] * len(gradients)
        own = Statistics(gradients, nothing, gathered.num_examples)
        means = self._exchange.average(own, self._weighing()).gradients
        named = zip(self.parameters, means, strict=True)
        return {name: mean for name, mean in named if mean is not None}

    def _refresh(self, gathered: Gathered, loss_scale: float | Tensor | None) -> None:
        """Put the statistics of a step into the averages."""
        if not self._due:
            return
        new = self._statistics(gathered, loss_scale)
        finite = is_finite(new.values())
        bad = [key for key, good in zip(new, finite, strict=True) if not good]
        if bad:
            self._warn("not finite and left out", bad)
            new = {key: moment for key, moment in new.items() if key not in bad}
        self._factors.take(new, self.factor_decay)
        for key in new:
            self._plan.refreshed(key, self.num_steps, None)
        self._stale |= set(new)
        self._figures.refreshed += len(new)

    def _statistics(
        self, gathered: Gathered, loss_scale: float | Tensor | None
    ) -> dict[Key, Moment]:
        """Means over the examples of all ranks."""
        own = gathered.moments
        if self._division is None:
            counts = {key: moment.count for key, moment in own.items()}
            return self._means(gathered, gathered.num_examples, counts, loss_scale)
        present = [key in own for key in self._due]
        counted = [own[key].count if key in own else 0 for key in self._due]
        numbers = [gathered.num_examples, *present, *counted]
        total, *sums = self._division.totals(numbers)
        size = len(self._due)
        pairs = zip(self._due, sums[:size], strict=True)
        keys = [key for key, present in pairs if present]
        counts = dict(zip(self._due, sums[size:], strict=True))
        means = self._means(gathered, total, counts, loss_scale)
        return self._summed(keys, means)

    def _summed(
        self, keys: list[Key], means: Mapping[Key, Moment]
    ) -> dict[Key, Moment]:
        """Statistics of all ranks from what each adds."""
        assert self._division is not None
        return self._division.sum_for_all(keys, means)

    def _means(
        self,
        gathered: Gathered,
        total: int,
        counts: Mapping[Key, int],
        loss_scale: float | Tensor | None,
    ) -> dict[Key, Moment]:
        """What this rank adds to means over all examples.

        Contributions c_i sum to the gradient that is preconditioned, so that those of
        a mean are g_i / N and G is N sum_i c_i c_i^T.
        """
        num, size = gathered.num_examples, self._ranks.size
        weight = 1 / size if self._averaged else num / max(1, total)
        factor: float | Tensor = total * weight**2
        if gathered.plain or self.loss_reduction == "sum":
            factor = 1 / max(1, total)
        if loss_scale is not None and not gathered.plain:
            factor = factor / loss_scale / loss_scale
        return {
            key: mean_of(moment, 1 / counts[key] if key[1] == INPUTS else factor)
            for key, moment in gathered.moments.items()
        }

    def _invert(self) -> None:
        """Invert what was refreshed, when it is time."""
        if not self._stale or self.num_steps < self._next_inverse:
            return
        with self._figures.timing():
            self._invert_now([key for key in self.keys if key in self._stale])
        self._stale = set()
        if self.inverse_interval is not None:
            wait = interval_at("inverse_interval", self.inverse_interval, self.num_steps)
            self._next_inverse = self.num_steps + wait

    def _invert_now(self, keys: list[Key]) -> None:
        means = {key: factor.mean for key, factor in self._factors.present.items()}
        damping = self._damping()
        dampings: dict[Key, Tensor] = {}
        for name in dict.fromkeys(name for name, _ in keys):
            block = self.blocks[name]
            if all((name, side) in means for side in block.sides):
                each = dampings_of(block, means, damping)
                dampings |= {(name, side): value for side, value in each.items()}
        ready = [key for key in keys if key in dampings]
        mine = [key for key in ready if self._is_mine(key)]
        self.num_inverted += len(mine)
        inverses = invert(mine, means, dampings)
        if self._division is not None:
            inverses = self._division.share_inverses(ready, inverses)
        self._put(inverses, means, dampings)

    def _is_mine(self, key: Key) -> bool:
        """Whether this rank inverts a statistic."""
        return self._division is None or self._division.owns(key[0])

    def _put(
        self,
        inverses: Mapping[Key, Inverse | None],
        means: Mapping[Key, Moment],
        dampings: Mapping[Key, Tensor],
    ) -> None:
        failed = [key for key, inverse in inverses.items() if inverse is None]
        if failed:
            self._warn("could not be inverted; the last inverses stay", failed)
        for key, inverse in inverses.items():
            if inverse is not None:
                self._inverses[key] = inverse
                self._factors.inverted[key] = means[key]
                self._factors.dampings[key] = dampings[key]

    def _damping(self) -> float:
        damping = self.damping
        value = damping(self.num_steps) if callable(damping) else damping
        return check_number("damping", value, minimum=0, open_minimum=True)

    def _warn(self, what: str, keys: Iterable[Key]) -> None:
        names = listed([" of ".join(reversed(key)) for key in keys])
        warnings.warn(f"{names} {what} (step {self.num_steps}).", stacklevel=5)

    @torch.no_grad()
    def precondition(self, vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Multiply a vector by the inverse of the damped curvature.

        Args:
            vector: Tensors in the shapes of parameters, by name; others count as zero.

        Returns:
            The product by the same names. What has no block, or one that was never
            measured, is returned as it is.
        """
        result = dict(vector)
        ready = {
            name: inverses
            for name, block in self.blocks.items()
            if any(part.name in vector for part in block.parts.values())
            and (inverses := self._inverses_of(block)) is not None
        }
        division = self._division
        products = {
            name: apply(self.blocks[name], self._matrix(name, vector), inverses)
            for name, inverses in ready.items()
            if division is None or division.works_on(name)
        }
        if division is not None and division.grid.num_columns > 1:
            shapes = {name: self.blocks[name].matrix_shape for name in ready}
            products = division.share_products(list(ready), products, shapes)
        for name, matrix in products.items():
            self._put_product(self.blocks[name], matrix, vector, result)
        return result

    def _inverses_of(self, block: Block) -> dict[str, Inverse] | None:
        """Inverses by side; None if some were never made."""
        every = {side: self._inverses.get((block.name, side)) for side in block.sides}
        known = {side: each for side, each in every.items() if each is not None}
        return known if len(known) == len(every) else None

    def _matrix(self, name: str, vector: Mapping[str, Tensor]) -> Tensor:
        """A vector's part for a block, as the block's matrix."""
        block = self.blocks[name]
        return block.to_matrix({
            local: part.of(vector[part.name])
            if part.name in vector
            else self.parameters[part.name].new_zeros(part.shape)
            for local, part in block.parts.items()
        })

    def _put_product(
        self,
        block: Block,
        matrix: Tensor,
        vector: Mapping[str, Tensor],
        result: dict[str, Tensor],
    ) -> None:
        values = block.from_matrix(matrix)
        for local, part in block.parts.items():
            name = part.name
            if name not in vector:
                continue
            if part.rows is None:
                result[name] = values[local].to(vector[name].dtype)
                continue
            if result[name] is vector[name]:
                result[name] = vector[name].clone()
            part.of(result[name]).copy_(values[local])

    def _clip(
        self,
        natural: dict[str, Tensor],
        gradients: Mapping[str, Tensor],
        rates: Mapping[str, float] | None,
    ) -> None:
        """Scale all natural gradients down to the trust region, in place."""
        assert self.kl_clip is not None
        lr = self.lr() if callable(self.lr) else self.lr
        products = [
            torch.dot(natural[name].flatten(), gradient.flatten())
            * (lr if rates is None else rates[name]) ** 2
            for name, gradient in gradients.items()
        ]
        if products:
            change = torch.stack(products).sum().abs()
            factor = (self.kl_clip / change).sqrt().clamp(max=1.0)
            torch._foreach_mul_(list(natural.values()), factor)

    def figures(self) -> dict[str, float]:
        """For logs, over the steps since the last call.

        Returns:
            `damping`, `factor_interval` and `inverse_interval` as they are now,
            `refreshed_share` of all statistics a step, and `inverse_seconds` a step.
        """
        interval = self._plan.mean_interval(self.num_steps)
        inverse = interval
        if self.inverse_interval is not None:
            inverse = interval_at("inverse_interval", self.inverse_interval, self.num_steps)
        now = {
            "damping": self._damping(),
            "factor_interval": interval,
            "inverse_interval": max(interval, float(inverse)),
        }
        return now | self._figures.take(len(self.keys))

    def state_dict(self) -> dict[str, Any]:
        """Statistics, and what their inverses were made of; plain data and tensors."""
        return {
            "num_steps": self.num_steps,
            "factors": self._factors.state_dict(),
            "plan": self._plan.state_dict(),
            "stale": sorted(self._stale),
            "next_inverse": self._next_inverse,
            "noise": self._noise.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave.

        Args:
            state: Of a preconditioner of the same model, trained in any number of
                processes.

        Raises:
            ValueError: If it is of another model.
        """
        check_state(state, self.keys)
        self.num_steps = state["num_steps"]
        like = next(iter(self.parameters.values()))
        self._factors.load_state_dict(state["factors"], like)
        self._plan.load_state_dict(state["plan"])
        self._stale = {(name, side) for name, side in state["stale"]}
        self._next_inverse = state["next_inverse"]
        self._noise.load_state_dict(state["noise"])
        self._restore_inverses()
        self._ranks = Ranks()  # to meet again
        self._arm()

    def _restore_inverses(self) -> None:
        self._inverses = {}
        behind, dampings = self._factors.inverted, self._factors.dampings
        made = invert(list(behind), behind, dampings)
        self._inverses = {key: x for key, x in made.items() if x is not None}


def mean_of(moment: Moment, factor: float | Tensor) -> Moment:
    """A sum times a factor as a mean; rows that are too many become their matrix."""
    scaled = moment.scaled(factor)
    if scaled.form == "rows" and 2 * scaled.value.shape[1] > scaled.size:
        return Moment("matrix", scaled.matrix(), 1)
    return Moment(scaled.form, scaled.value, 1)


def named_parameters(
    model: nn.Module, params: Iterable[nn.Parameter] | None
) -> dict[str, nn.Parameter]:
    """Parameters by their name within wrappers.

    Args:
        model: The model.
        params: Those wanted; None for all that require a gradient.

    Returns:
        Them.

    Raises:
        ValueError: If one is not the model's.
    """
    inner, _ = unwrapped(model)
    named = dict(inner.named_parameters())
    if params is None:
        return {name: p for name, p in named.items() if p.requires_grad}
    wanted = {id(p) for p in params}
    found = {name: p for name, p in named.items() if id(p) in wanted}
    if len(found) < len(wanted):
        raise ValueError(
            "params must be parameters of the model, got "
            f"{len(wanted) - len(found)} that are not."
        )
    return found


def check_distribution(distribution: str | float) -> str | float:
    """Return a name or a share of the ranks; ValueError names the argument."""
    if isinstance(distribution, str):
        return check_choice("distribution", distribution, NAMED_FRACTIONS)
    return check_number(
        "distribution", distribution, minimum=0, maximum=1, open_minimum=True
    )


def check_half(dtype: torch.dtype | None) -> torch.dtype | None:
    """Return a half precision or None; ValueError names the argument."""
    if dtype is not None and dtype not in HALF_TYPES:
        names = ", ".join(map(str, HALF_TYPES))
        raise ValueError(
            f"communication_dtype must be one of {names} or None, got {dtype}."
        )
    return dtype


def check_state(state: Mapping[str, Any], keys: Iterable[Key]) -> None:
    """Check that a state is of a preconditioner with the same statistics."""
    wanted = ("num_steps", "factors", "plan", "stale", "next_inverse", "noise")
    if missing := [name for name in wanted if name not in state]:
        raise ValueError(
            f"state must be of a preconditioner, got none of {', '.join(missing)}."
        )
    unknown = set(state["factors"]) - {key_text(key) for key in keys}
    if unknown:
        raise ValueError(
            "state must be of a preconditioner of the same model, got statistics of "
            f"{listed(sorted(unknown))}."
        )
