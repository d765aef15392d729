"""What the loop asks of an optimizer beside its steps, by what it can do."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeGuard, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer

from vogn_app.posterior import AnyPosterior

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]


@runtime_checkable
class Sampled(Protocol):
    """An optimizer that takes gradients at drawn weights, in blocks."""

    num_samples: int

    def sampled_params(self, train: bool = False) -> AbstractContextManager[None]:
        """Put a draw into the model for the block."""

    def mean_deviation(self) -> Tensor:
        """Posterior standard deviation averaged over all sampled weights."""

    def posterior(self) -> AnyPosterior:
        """The posterior as it is now."""


@runtime_checkable
class Collecting(Protocol):
    """An optimizer whose posterior is put together as training goes on, or at its end.

    Its loop is that of any optimizer.
    """

    @property
    def has_posterior(self) -> bool:
        """Whether there is something to draw from yet."""

    def posterior(self) -> AnyPosterior:
        """The posterior as it is now."""


@runtime_checkable
class Scheduled(Protocol):
    """An optimizer that needs a learning rate of its own making."""

    def lr_factor(self, step: int) -> float:
        """Share of the learning rate, in [0, 1], after so many steps."""


@runtime_checkable
class Finishing(Protocol):
    """An optimizer with something to do when the last step is done."""

    def finish(self, batches: Batches) -> None:
        """Do it, once.

        Args:
            batches: Goes through the training data anew: inputs and labels.
        """


class MemberLike(Protocol):
    """One network of several that are trained together."""

    @property
    def model(self) -> nn.Module:
        """The network."""

    @property
    def optimizer(self) -> Optimizer:
        """Its own optimizer."""

    @property
    def seed(self) -> int:
        """Of the order of its batches."""


@runtime_checkable
class OfMembers(Protocol):
    """An optimizer of several networks, which the ranks share out."""

    @property
    def members(self) -> Sequence[MemberLike]:
        """All of them."""

    @property
    def own(self) -> Sequence[MemberLike]:
        """Those that this process trains."""

    def consolidate_state_dict(self) -> None:
        """Bring all of them to rank 0; all ranks call it."""


@runtime_checkable
class TellsFigures(Protocol):
    """An optimizer with numbers for the log, such as its damping."""

    def figures(self) -> dict[str, float]:
        """Numbers by name; of this process alone, no other is asked."""


@runtime_checkable
class Sharded(Protocol):
    """An optimizer of which each rank holds a part."""

    def consolidate_state_dict(self) -> None:
        """Bring the parts to rank 0; all ranks call it before `state_dict` there."""


@runtime_checkable
class OfModel(Protocol):
    """An optimizer that was given the network itself, to look at single examples."""

    model: nn.Module


def averages_over_ranks(optimizer: Optimizer) -> bool:
    """Whether an optimizer averages over the ranks by itself, by numbers of examples.

    It trains the bare network, and a rank may have no example at all. Those that look
    at single examples do, and those of several networks have nothing to average.
    """
    return isinstance(optimizer, OfModel | OfMembers)


def has_posterior(optimizer: Optimizer) -> TypeGuard[Sampled | Collecting]:
    """Whether the optimizer knows a distribution over the weights by now."""
    if isinstance(optimizer, Collecting):
        return optimizer.has_posterior
    return isinstance(optimizer, Sampled) and any(
        group.get("sampled", True) for group in optimizer.param_groups
    )
