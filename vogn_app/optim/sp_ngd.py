"""SP-NGD: natural gradients with stale statistics, sharded over the ranks.

Paper: Osawa, Tsuji, Ueno, Naruse, Foo, Yokota (2020), "Scalable and Practical Natural
Gradient for Large-Scale Deep Learning", arXiv:2002.06015.

What is preconditioned with what, and all symbols: `preconditioner`; momentum and step:
`kfac`. What is its own:

    Empirical Fisher    statistics come from the backward pass of the step itself
    Unit-wise norms     2x2 blocks for scale and shift of each channel
    Stale statistics    each is refreshed when its own history says so (`refresh`)
    Hybrid parallelism  every rank computes on its examples; as backward finishes
                        them, statistics and gradients go to the owners of the
                        layers, summed; owners invert, precondition and update;
                        updated weights go to all

Only refreshed statistics are computed, sent (as upper triangles, in half precision if
wanted) and inverted.

Departures from the paper:
    1. Statistics are averages that weigh what is s steps old by factor_decay^s. Where
       refreshes are rare that is the last batch alone, as in the paper. Where batches
       are so small that their statistics never resemble each other, which refreshes
       them at every step, training with those of one batch is not stable. What is
       compared with what are batches. factor_decay 0 is the paper's.
    2. Layers go to owners by what their inversion costs, not by their number.
    3. pi takes both factors of a layer as they are when one of them is inverted.
    4. Schedules of learning rate and momentum, running mixup, random erasing and the
       rescaling of weights belong to the training loop.
"""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from ..curvature.kronecker.calls import Key
from ..curvature.kronecker.capture import Gathered
from ..curvature.kronecker.moments import Moment
from ..distributed import DEFAULT_GROUP, Group, Ranks
from ..likelihoods import Likelihood
from .cooperation import Exchanged
from .descent import MOMENTUM
from .kfac import KFAC, Params
from .ownership import Ownership
from .preconditioner import Damping, KroneckerPreconditioner
from .refresh import Adaptive, Interval, RefreshPlan


@final
class StalePreconditioner(KroneckerPreconditioner):
    """A preconditioner with stale statistics, which owners of layers hold alone.

    Args:
        model: The network.
        staleness: As `SPNGD`.
        factor_decay: As `SPNGD`.
        settings: As `KroneckerPreconditioner`.
    """

    def __init__(
        self,
        model: nn.Module,
        staleness: float,
        *,
        factor_decay: float,
        **settings: Any,
    ) -> None:
        self._staleness = staleness
        self.is_whole = False  # whether this rank holds everything
        super().__init__(
            model, factor_interval=1, factor_decay=factor_decay, **settings
        )

    def _plan(self, factor_interval: Interval) -> RefreshPlan:  # noqa: ARG002
        return Adaptive(self._staleness)

    def _divide(self, ranks: Ranks) -> Ownership:
        half = self.communication_dtype
        ownership = Ownership(self.parameters, self.blocks, ranks, half)
        self._keep(ownership)
        return ownership

    @property
    def ownership(self) -> Ownership | None:
        """Who owns what, among several ranks."""
        shared = self._cooperation
        return shared if isinstance(shared, Ownership) else None

    def owns(self, name: str) -> bool:
        """Whether this rank updates a parameter."""
        return self.ownership is None or self.ownership.updates(name)

    def precondition(self, vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As `KroneckerPreconditioner.precondition`, in one process.

        Args:
            vector: Tensors in the shapes of the parameters, by name.

        Returns:
            The product by the same names.

        Raises:
            RuntimeError: If several ranks hold a share of the statistics each.
            TypeError: If it is no mapping, or holds what is no tensor.
            ValueError: If a name, a shape or a type is wrong.
        """
        if self.ownership is not None:
            raise RuntimeError(
                "precondition must be called in one process, got "
                f"{self.ownership.ranks.size} ranks that hold a share of the "
                "statistics each."
            )
        return super().precondition(vector)

    def _take(self, keys: Sequence[Key], new: Mapping[Key, Moment]) -> None:
        verdicts = self._state.judge(new)
        if self.ownership is not None:
            verdicts = self.ownership.agreed(keys, verdicts)
        self._state.take(new, verdicts, self.num_steps)
        self._figures.refreshed += len(verdicts)

    def _mean_gradients(
        self, gathered: Gathered, found: Exchanged
    ) -> dict[str, Tensor]:
        every = super()._mean_gradients(gathered, found)
        return {name: each for name, each in every.items() if self.owns(name)}

    def consolidate(self) -> None:
        """Give all ranks all statistics."""
        if self.ownership is not None:
            self._state.complete(self.ownership)
            self.is_whole = True

    def release(self) -> None:
        """Keep what this rank owns alone."""
        if self.ownership is not None:
            self._keep(self.ownership)

    def _keep(self, ownership: Ownership) -> None:
        self._state.keep(ownership.inverts)
        self.is_whole = False

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `KroneckerPreconditioner.load_state_dict`; keeps what this rank owns."""
        super().load_state_dict(state)
        self.release()


class SPNGD(KFAC):
    """Natural gradients whose statistics are refreshed only when they change.

    Settings marked * may differ between parameter groups.

    Args:
        model: The network; call it with the examples in the first dimension.
        lr: * Learning rate >= 0.
        momentum: * Weight of the past in the sum of natural gradients, in [0, 1).
        nesterov: * Whether to look ahead along that sum.
        weight_decay: * Added to the natural gradient times the weights, >= 0; the paper
            rescales weights instead.
        damping: lambda > 0, or a function of the step.
        staleness: alpha >= 0: a statistic that changes by less than this, relative to
            its Frobenius norm, is refreshed ever more rarely. 0 refreshes all of them
            at every step.
        factor_decay: Weight of the past in the statistics, a step, in [0, 1).
        kl_clip: kappa > 0, bounds lr^2 <u, F u>, as `KFAC`; None for none.
        curvature: "empirical", as the paper; "fisher" or "exact" as
            `KroneckerPreconditioner`.
        likelihood: What labels are drawn from.
        sharing: What positions count as, "expand" or "reduce".
        loss_reduction: "mean" or "sum" over the examples of a batch, as the loss does.
        process_group: The ranks to train with: "default", a group, or None for none.
            With a bare model gradients go to the owners of layers alone; a
            DistributedDataParallel averages them for everybody.
        communication_dtype: Type in which statistics are sent, torch.float16 or
            torch.bfloat16; None for their own.
        seed: Seed of drawn labels.
        params: Parameters or parameter groups, all of them the model's.

    Raises:
        ValueError: If an argument is out of range, or a parameter is not the model's.

    Several ranks each hold the state of the layers they own. Call
    `consolidate_state_dict()` on all of them before `state_dict()` on any.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> optimizer = SPNGD(model, lr=0.1)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> optimizer.zero_grad()
        >>> nn.functional.cross_entropy(model(x), y).backward()
        >>> optimizer.step()
    """

    preconditioner: StalePreconditioner
    _method = "SPNGD"

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.1,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        damping: Damping = 3e-3,
        staleness: float = 0.1,
        factor_decay: float = 0.8,
        kl_clip: float | None = 3e-3,
        curvature: str = "empirical",
        likelihood: str | Likelihood = "categorical",
        sharing: str = "expand",
        loss_reduction: str = "mean",
        process_group: Group = DEFAULT_GROUP,
        communication_dtype: torch.dtype | None = None,
        seed: int = 0,
        params: Params | None = None,
    ) -> None:
        settings = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
        }
        self._begin(
            model,
            params,
            settings,
            kl_clip,
            StalePreconditioner,
            staleness=staleness,
            factor_decay=factor_decay,
            damping=damping,
            curvature=curvature,
            likelihood=likelihood,
            sharing=sharing,
            loss_reduction=loss_reduction,
            process_group=process_group,
            communication_dtype=communication_dtype,
            seed=seed,
        )

    def _summed(self, numbers: Tensor) -> Tensor:
        ownership = self.preconditioner.ownership
        return numbers if ownership is None else ownership.total(numbers)

    @torch.no_grad()
    def _after_update(self) -> None:
        """Give all ranks the weights that their owners have updated."""
        ownership = self.preconditioner.ownership
        if ownership is None:
            return
        self.preconditioner.release()
        parameters = self.preconditioner.parameters
        for name, value in ownership.give(parameters).items():
            if not ownership.updates(name):
                parameters[name].copy_(value)
                self.state.pop(parameters[name], None)

    @torch.no_grad()
    def consolidate_state_dict(self) -> None:
        """Give all ranks the whole state; to be called on all of them."""
        ownership = self.preconditioner.ownership
        if ownership is None:
            return
        self.preconditioner.consolidate()
        parameters = self.preconditioner.parameters
        own = {
            name: self._buffer(p)
            for name, p in parameters.items()
            if ownership.updates(name)
        }
        for name, value in ownership.give(own).items():
            self.state[parameters[name]][MOMENTUM] = value.to(
                parameters[name].dtype, copy=True
            )

    def state_dict(self) -> dict[str, Any]:
        """State, groups and statistics.

        Raises:
            RuntimeError: If several ranks hold it and it was not consolidated.
        """
        several = self.preconditioner.ownership is not None
        if several and not self.preconditioner.is_whole:
            raise RuntimeError(
                "consolidate_state_dict() must be called on all ranks before "
                "state_dict(), got a state that several ranks hold in part."
            )
        return super().state_dict()
