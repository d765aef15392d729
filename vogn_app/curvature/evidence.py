"""What a layer's backward knows, and what it says of contributions and squares."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from . import functional
from .functional import ModuleCall
from .rules import Contributions, LayerRule, Sums, contribution_chunks, layer_sums

FULL = (torch.float32, torch.float64)


@dataclass
class Evidence:
    """What a layer's backward knows: its input and the gradient of its output.

    Args:
        rule: The layer's rule.
        module: The layer.
        x: Its input, of at least float32 [N, ...].
        g: Gradient of its output, in the same type [N, ...].
        dtypes: Types in which the layer computed.
        blind: Whether what comes first are not the examples.
    """

    rule: LayerRule
    module: nn.Module
    x: Tensor
    g: Tensor
    dtypes: set[torch.dtype]
    blind: bool = False

    @classmethod
    def of(
        cls, rule: LayerRule, module: nn.Module, x: Tensor, g: Tensor, at: int | None
    ) -> "Evidence":
        """The evidence of a call.

        Args:
            rule: The layer's rule.
            module: The layer.
            x: Its input.
            g: Gradient of its output.
            at: Dimension that has the examples; None if the layer does not see them.

        Returns:
            The evidence, examples first.
        """
        dtypes = {g.dtype}
        x, g = promoted_pair(x, g)
        if at == 1:
            x, g = x.transpose(0, 1), g.transpose(0, 1)
        return cls(rule, module, x, g, dtypes, blind=at is None)

    @property
    def num_examples(self) -> int:
        """Examples in the call."""
        return self.x.shape[0]

    def sums(self, names: list[str]) -> Sums:  # noqa: ARG002 - a rule gives them all
        """Contributions and squares, each summed over examples."""
        return layer_sums(self.rule, self.module, self.x, self.g)

    def chunks(self, names: list[str]) -> Iterator[Contributions]:  # noqa: ARG002
        """Contributions of consecutive examples."""
        return contribution_chunks(self.rule, self.module, self.x, self.g)


@dataclass
class RerunEvidence:
    """A call of a module without a rule for single layers: it can be run again.

    Args:
        module: The module.
        call: Its call, with the gradients of its outputs.
        chunks_of: Gives `(module, names, call)`'s contributions, some examples at a
            time.
        num_examples: Examples in the call.
    """

    module: nn.Module
    call: ModuleCall
    chunks_of: Any = functional.contribution_chunks
    num_examples: int = 0
    blind: bool = False

    @property
    def dtypes(self) -> set[torch.dtype]:
        """Types in which the call and its gradients were computed."""
        return self.call.dtypes

    def sums(self, names: list[str]) -> Sums:
        """Contributions and squares, each summed over examples."""
        summed: dict[str, Tensor] = {}
        squares: dict[str, Tensor] = {}
        for part in self.chunks(names):
            for name, contributions in part.items():
                for result, new in (
                    (summed, contributions.sum(0)),
                    (squares, contributions.square().sum(0)),
                ):
                    result[name] = result[name] + new if name in result else new
        return Sums(summed, squares)

    def chunks(self, names: list[str]) -> Iterator[Contributions]:
        """Contributions of consecutive examples, in at least float32."""
        for part in self.chunks_of(self.module, names, self.call):
            yield {k: promoted(v) for k, v in part.items()}


def full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Context without autocast on the device of a tensor."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def promoted(x: Tensor) -> Tensor:
    """In at least float32, as squares of half precisions overflow; not integers."""
    if not x.is_floating_point():
        return x.detach()
    return x.detach().to(torch.promote_types(x.dtype, torch.float32))


def promoted_pair(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Input and output gradient in one type of at least float32."""
    if x.dtype == g.dtype and g.dtype in FULL:
        return x, g
    x, g = promoted(x), promoted(g)
    if x.is_floating_point() and x.dtype != g.dtype:
        dtype = torch.promote_types(x.dtype, g.dtype)
        x, g = x.to(dtype), g.to(dtype)
    return x, g
