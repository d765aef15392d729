"""Whether contributions that were found explain the gradients."""

from collections.abc import Mapping

from torch import Tensor

from ..errors import UnsupportedLayerError
from .accumulator import SquareAccumulator


class Found:
    """What one way found.

    Args:
        states: By parameter name.
        num_examples: Examples in the block.
    """

    def __init__(
        self, states: Mapping[str, SquareAccumulator], num_examples: int
    ) -> None:
        self.states, self.num_examples = states, num_examples

    def agrees(self, name: str, gradient: Tensor) -> bool:
        """Whether a parameter's squares are complete."""
        state = self.states.get(name)
        if state is None or state.total is None or state.unfit:
            return False
        if state.num_examples != self.num_examples:
            return False
        return state.summed is None or self.explains(name, gradient)

    def explains(self, name: str, gradient: Tensor) -> bool:
        """Whether contributions and gradient differ by rounding, of any parameter."""
        state, num = self.states[name], self.num_examples
        if state.agrees_with(gradient, num):
            return True
        known = [s for s in self.states.values() if s.total is not None]
        largest = max(float(s.scale(num)) for s in known)
        return state.agrees_with(gradient, num, largest)


def dense(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradients by parameter name; UnsupportedLayerError if one is sparse."""
    for name, gradient in gradients.items():
        if gradient.is_sparse:
            raise UnsupportedLayerError(
                f"the gradient of {name} must be dense, got a sparse one: build "
                "its layer with sparse=False."
            )
    return gradients


def inexact(name: str) -> UnsupportedLayerError:
    """The error when not even a second run of the model explains a gradient."""
    return UnsupportedLayerError(
        f"per-example gradients of {name} must add up to its gradient, but do not: the "
        "model mixes examples (BatchNorm in train mode?), draws random numbers, or "
        "changes its state, the gradient was changed within the block (clipping?), or "
        "the loss has a term that is no example's (a penalty on the weights?). Use a "
        "layer that treats examples alone, or freeze it."
    )
