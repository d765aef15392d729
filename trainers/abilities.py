"""What the loop asks of an optimizer beside its steps.

Whether it has a posterior is another question: see `trainers.predict.has_posterior`.
"""

from typing import Protocol, runtime_checkable

from torch.optim import Optimizer

from vogn_app import KFAC, SPNGD, VOGN

_AVERAGING = (VOGN, KFAC, SPNGD)


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


def averages_over_ranks(optimizer: Optimizer) -> bool:
    """Whether an optimizer averages over the ranks by itself, by numbers of examples.

    It trains the bare network, and a rank may have no example at all.
    """
    return isinstance(optimizer, _AVERAGING)
