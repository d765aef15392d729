"""What the loop asks of an optimizer beside its steps, by what it can do."""

from contextlib import AbstractContextManager
from typing import Protocol, TypeGuard, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer

from vogn_app import GaussianPosterior, MatrixGaussianPosterior


@runtime_checkable
class Sampled(Protocol):
    """An optimizer that takes gradients at drawn weights, in blocks."""

    num_samples: int

    def sampled_params(self, train: bool = False) -> AbstractContextManager[None]:
        """Put a draw into the model for the block."""

    def mean_deviation(self) -> Tensor:
        """Posterior standard deviation averaged over all sampled weights."""

    def posterior(self) -> GaussianPosterior | MatrixGaussianPosterior:
        """The posterior as it is now."""


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
    at single examples do.
    """
    return isinstance(optimizer, OfModel)


def has_posterior(optimizer: Optimizer) -> TypeGuard[Sampled]:
    """Whether the optimizer learns a distribution over the weights."""
    return isinstance(optimizer, Sampled) and any(
        group.get("sampled", True) for group in optimizer.param_groups
    )
