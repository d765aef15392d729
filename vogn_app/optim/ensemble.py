"""Deep ensembles: several networks trained side by side, and one posterior of all.

Paper: Lakshminarayanan, Pritzel, Blundell (2017), "Simple and Scalable Predictive
Uncertainty Estimation using Deep Ensembles", arXiv:1612.01474. The members differ in
initial weights and in the order of their batches; predictions are averages of their
probabilities, p(y | x) = 1/M sum_m p(y | x, w_m).

With members that have posteriors of their own, such as VOGN's, the posterior is the
mixture 1/M sum_m q_m(w) with equal weights (Multi-VOGN): each q_m tells of one mode,
and the mixture of several (Wilson and Izmailov 2020, arXiv:2002.08791).

Departures from the paper: no adversarial examples, as in most later work.

Over several processes each trains some of the members, on whole batches and without a
word to the others: nothing is exchanged until `consolidate_state_dict()`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from ..distributed import DEFAULT_GROUP, Group, Ranks, check_process_group, ranks_of
from ..posterior import MixturePosterior
from .loading import METHOD, check_method
from .members import Member, check_alike, components_of, on_cpu

NAME = "Ensemble"  # of the method
MEMBERS = "members"  # key of state_dict()


class Ensemble(Optimizer):
    """Networks with an optimizer each, as one optimizer.

    Args:
        optimizers: One for each network, over its parameters alone. Those that exchange
            gradients themselves, as VOGN does, need `process_group=None` where several
            processes share out the members.
        models: The networks, of one architecture and with initial weights of their own.
        seeds: Of the members' batch orders; 0, 1, 2 ... by default.
        process_group: The ranks that share out the members: "default" for all processes
            once torch.distributed is initialised, a group, or None for this one alone.

    Raises:
        ValueError: If there are no members, or not as many optimizers as networks and
            seeds, or the networks are of several architectures.

    `param_groups` are those of all members, so that a scheduler sets all of them. Each
    member gets its own forward and backward pass, and `step()` steps all, also for a
    `GradScaler`. Members' optimizers with a `finish` or an `lr_factor` keep theirs: use
    each one's own.

    Example:
        >>> models = [nn.Linear(2, 3) for _ in range(3)]
        >>> each = [torch.optim.AdamW(model.parameters()) for model in models]
        >>> optimizer = Ensemble(each, models)
        >>> x, y = torch.randn(8, 2), torch.randint(3, (8,))
        >>> optimizer.zero_grad()
        >>> for member in optimizer.own:
        ...     nn.functional.cross_entropy(member.model(x), y).backward()
        >>> optimizer.step()
        >>> probabilities = optimizer.posterior().predict_proba(models[0], x)
    """

    _step_supports_amp_scaling = True  # members are told of the scale, see `step`
    _closed = True  # a copy or a loaded one takes no more groups

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        models: Sequence[nn.Module],
        *,
        seeds: Sequence[int] | None = None,
        process_group: Group = DEFAULT_GROUP,
    ) -> None:
        seeds = range(len(models)) if seeds is None else seeds
        if not len(models) == len(optimizers) == len(seeds) or not models:
            raise ValueError(
                "models must be at least one, with as many optimizers and seeds, got "
                f"{len(models)}, {len(optimizers)} and {len(seeds)}."
            )
        check_alike(models)
        self.members = tuple(map(Member, models, optimizers, seeds))
        self.process_group = check_process_group(process_group)
        self._told = True  # whether this process knows what the others trained
        self._closed = False
        super().__init__([dict(group) for group in self._groups()], {})
        self._share_groups()
        self._closed = True

    def _groups(self) -> list[dict[str, Any]]:
        return [g for member in self.members for g in member.optimizer.param_groups]

    def _share_groups(self) -> None:
        """Whoever sets a group here, as schedulers do, sets the member's own."""
        self.param_groups = self._groups()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refused: parameters are of a member's optimizer, and go there before.

        Raises:
            ValueError: Once the ensemble is made.
        """
        if self._closed:
            raise ValueError(
                "param_group must be added to a member's optimizer before the Ensemble "
                "is made, got one for the Ensemble."
            )
        super().add_param_group(param_group)

    def __getstate__(self) -> dict[str, Any]:
        own = {"members": self.members, "process_group": self.process_group}
        return {**super().__getstate__(), **own, "_told": self._told}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share_groups()

    @property
    def ranks(self) -> Ranks:
        """Who shares out the members."""
        return ranks_of(self.process_group, self.members[0].model)

    @property
    def own(self) -> tuple[Member, ...]:
        """The members that this process trains: every W-th of W processes."""
        ranks = self.ranks
        return self.members[ranks.rank :: ranks.size]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of the members that are trained here."""
        for member in self.own:
            member.optimizer.zero_grad(set_to_none=set_to_none)

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """Step the members that are trained here.

        Args:
            closure: Makes the gradients of all of them, and returns a loss.

        Returns:
            The closure's loss, or None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # What a `GradScaler` leaves here for the step.
        scale, found_inf = (getattr(self, n, None) for n in ("grad_scale", "found_inf"))
        for member in self.own:
            member.step(scale, found_inf)
        self._told = not self.ranks.several
        return loss

    @property
    def has_posterior(self) -> bool:
        """Whether all members have something to draw from yet."""
        return all(member.has_posterior for member in self.members)

    def posterior(self) -> MixturePosterior:
        """The mixture of the members' posteriors; of one set of weights, points.

        Returns:
            A copy, which later steps leave alone; draw k is of member k mod M.

        Raises:
            RuntimeError: If other processes have trained members since
                `consolidate_state_dict()`, or this is not the first of them; or if a
                member has no posterior yet.
            ValueError: If members are mixtures of different numbers.
        """
        self._check_told("posterior")
        return MixturePosterior(
            components=tuple(components_of(self.members)),
            metadata={"method": NAME, "num_members": len(self.members)},
        )

    def _check_told(self, what: str) -> None:
        if not self._told:
            raise RuntimeError(
                f"consolidate_state_dict() must be called on all ranks before {what}() "
                "on the first, got members that other ranks have trained since."
            )

    def consolidate_state_dict(self) -> None:
        """Bring all members to the first process; all of them call it."""
        ranks = self.ranks
        if not ranks.several or self._everywhere_told(ranks):
            return
        own = {
            place: on_cpu(self.members[place].state_dict())
            for place in range(ranks.rank, len(self.members), ranks.size)
        }
        parts: list[Any] | None = [None] * ranks.size if ranks.rank == 0 else None
        first = dist.get_global_rank(ranks.group, 0) if ranks.group else 0
        dist.gather_object(own, parts, dst=first, group=ranks.group)
        for part in (parts or ())[1:]:
            for place, state in part.items():
                self.members[place].load_state_dict(state)
        self._share_groups()
        self._told = ranks.rank == 0

    def _everywhere_told(self, ranks: Ranks) -> bool:
        """Whether nobody stepped since the last time; the first process tells."""
        told = [self._told]
        first = dist.get_global_rank(ranks.group, 0) if ranks.group else 0
        # Torch knows the devices that the group can do; NCCL alone has no CPU.
        dist.broadcast_object_list(told, src=first, group=ranks.group)
        return bool(told[0])

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimizer of each member; read with `weights_only=True`.

        Raises:
            RuntimeError: As `posterior`.
        """
        self._check_told("state_dict")
        return {
            METHOD: NAME,
            MEMBERS: [member.state_dict() for member in self.members],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` gave, on any number of processes.

        Raises:
            ValueError: If it is of another method or number of members, or of other
                networks; nothing is changed then.
        """
        check_method(NAME, state_dict, (MEMBERS,))
        states = state_dict[MEMBERS]
        if len(states) != len(self.members):
            raise ValueError(
                f"state_dict must be of {len(self.members)} members, got one of "
                f"{len(states)}."
            )
        for member, state in zip(self.members, states, strict=True):
            member.check_state(state)
        for member, state in zip(self.members, states, strict=True):
            member.load_state_dict(state)
        self._share_groups()
        self._told = True
