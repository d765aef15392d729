"""Labels drawn from the outputs of a model, and what their loss says of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ..likelihoods import Likelihood
from .evidence import promoted
from .functional import output_leaves


@dataclass(frozen=True)
class FisherPass:
    """What labels are drawn from.

    Args:
        likelihood: Their distribution given the outputs.
        generator: Gives the source of randomness for a device.
    """

    likelihood: Likelihood
    generator: Callable[[torch.device], torch.Generator]

    def gradient(self, output: Tensor, num_examples: int) -> Tensor:
        """Gradient w.r.t. the output of the examples' losses at labels newly drawn.

        Args:
            output: Of the model.
            num_examples: Examples that the likelihood's loss is a mean over.

        Returns:
            In the output's shape and type, of the sum of the losses: that of their mean
            could vanish in half precision.

        Raises:
            ValueError: If the likelihood's loss is no scalar.
        """
        generator = self.generator(output.device)
        # What is saved here is no part of a checkpoint that the model may run in.
        with torch.enable_grad(), saved_tensors_hooks(_same, _same):
            start = promoted(output).requires_grad_()
            labels = self.likelihood.draw(start.detach(), generator)
            loss = self.likelihood.loss(start, labels)
            if loss.ndim:
                raise ValueError(
                    f"likelihood.loss must be a scalar, got shape {tuple(loss.shape)}."
                )
            (gradient,) = torch.autograd.grad(loss, start)
        return (gradient * num_examples).to(output.dtype)


def labelled_output(output: Any) -> Tensor:
    """The tensor among a model's outputs that labels are drawn for.

    Args:
        output: A tensor, anything with `logits`, or with one tensor of real numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(output, Tensor):
        return output
    mapping = isinstance(output, Mapping)
    logits = output.get("logits") if mapping else getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    leaves = output_leaves(output)
    real = [x for x in leaves if isinstance(x, Tensor) and x.is_floating_point()]
    if len(real) != 1:
        raise ValueError(
            "the model's output must be a tensor, have logits, or have one tensor of "
            f"real numbers when curvature is 'fisher', got {len(real)} in a "
            f"{type(output).__name__}."
        )
    return real[0]


def _same(x: Any) -> Any:
    return x
