"""Optimizers at drawn weights that ask nothing of single examples."""

from contextlib import AbstractContextManager

from torch import nn

from ..curvature.recording import Recording
from .gathered import Block
from .sampled import SampledOptimizer


class UnsquaredOptimizer(SampledOptimizer):
    """Base of optimizers without squares, to which only the model's calls count."""

    def _recording(self, called: nn.Module | None) -> AbstractContextManager[Recording]:
        return self.capture.recording(squares=False, called=called)

    def _check_counted(self, block: Block) -> None:
        """Nothing but the model's own calls tells the number of examples."""
        backward = any(gradient is not None for gradient in block.gradients)
        if backward and block.num_examples == 0:
            raise RuntimeError(
                "the model that the optimizer was given must itself be called, got "
                "calls of its layers alone: it tells the number of examples."
            )
