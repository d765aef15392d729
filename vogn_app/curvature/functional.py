"""Per-example gradients of any module, by `torch.func`.

The module is run again, one example at a time under `vmap`, and the recorded gradient
of its output is pulled back to its parameters. Exact whenever the module treats
examples independently and draws no random numbers; `capture` checks the result against
autograd's own gradient. Modules that `vmap` cannot trace are run example by example.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.utils import _pytree as pytree

from ..errors import UnsupportedLayerError
from .per_example import CHUNK_ELEMENTS, Contributions


@dataclass
class ModuleCall:
    """One forward call of a module, and what backward said of its outputs.

    Args:
        args: Positional arguments of the call.
        kwargs: Keyword arguments of the call.
        outputs: Shapes come from here: the output tensors that required a gradient,
            by their position among all leaves of the output.
        gradients: Gradient of each of those outputs; missing ones are zero.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: dict[int, Tensor]
    gradients: dict[int, Tensor]

    @property
    def num_examples(self) -> int:
        """Examples in the call: the first dimension of its first output."""
        first = next(iter(self.outputs.values()))
        return first.shape[0] if first.ndim else 1


def output_tensors(output: Any) -> dict[int, Tensor]:
    """The tensors in a module's output that need a gradient, by leaf position."""
    leaves = enumerate(pytree.tree_leaves(output))
    return {i: x for i, x in leaves if isinstance(x, Tensor) and x.requires_grad}


def contribution_chunks(
    module: nn.Module, names: list[str], call: ModuleCall
) -> Iterator[Contributions]:
    """Per-example gradients of the named parameters, some examples at a time.

    Args:
        module: The module that was called.
        names: Parameters wanted, as in `module.named_parameters()`.
        call: The call, with its output gradients.

    Yields:
        Contributions `[n, *shape]` of consecutive examples.

    Raises:
        UnsupportedLayerError: If the module draws random numbers.
    """
    parameters = {k: v.detach() for k, v in module.named_parameters()}
    wanted = {name: parameters.pop(name) for name in names}
    # Copies: a module may write to its buffers, and this run must leave no trace.
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    puller = _Pullback(module, wanted, {**parameters, **buffers}, call)
    num = call.num_examples
    largest = sum(parameter.numel() for parameter in wanted.values())
    size = max(1, min(num, CHUNK_ELEMENTS // max(1, largest)))
    for start in range(0, num, size):
        yield puller(slice(start, min(start + size, num)))


class _Pullback:
    """Maps a slice of examples to their contributions."""

    def __init__(
        self,
        module: nn.Module,
        wanted: Mapping[str, Tensor],
        fixed: Mapping[str, Tensor],
        call: ModuleCall,
    ) -> None:
        self.module, self.wanted, self.fixed = module, dict(wanted), fixed
        self.positions = list(call.outputs)
        self.gradients = [
            call.gradients.get(position, torch.zeros_like(output)).detach()
            for position, output in call.outputs.items()
        ]
        self.leaves, self.spec = pytree.tree_flatten((call.args, call.kwargs))
        num = call.num_examples
        self.batched = [
            isinstance(leaf, Tensor) and leaf.ndim > 0 and leaf.shape[0] == num
            for leaf in self.leaves
        ]
        self.leaves = [x.detach() if isinstance(x, Tensor) else x for x in self.leaves]
        self.vectorised = True

    def __call__(self, examples: slice) -> Contributions:
        gradients = [gradient[examples] for gradient in self.gradients]
        inputs = [
            x[examples] for x, batched in zip(self.leaves, self.batched, strict=True)
            if batched
        ]  # fmt: skip
        if self.vectorised:
            try:
                return vmap(self._one, randomness="error")(inputs, gradients)
            except RuntimeError as error:
                if "random" in str(error):
                    raise self._randomness() from error
                self.vectorised = False
        return self._loop(inputs, gradients)

    def _loop(self, inputs: list[Tensor], gradients: list[Tensor]) -> Contributions:
        before = torch.get_rng_state()
        each = [
            self._one([x[i] for x in inputs], [g[i] for g in gradients])
            for i in range(gradients[0].shape[0])
        ]
        if not torch.equal(before, torch.get_rng_state()):
            torch.set_rng_state(before)
            raise self._randomness()
        return {name: torch.stack([c[name] for c in each]) for name in self.wanted}

    def _one(self, inputs: list[Tensor], gradients: list[Tensor]) -> Contributions:
        """Contributions of one example, given without its examples dimension."""
        rest = iter(inputs)
        leaves = [
            next(rest).unsqueeze(0) if batched else leaf
            for leaf, batched in zip(self.leaves, self.batched, strict=True)
        ]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)

        def forward(wanted: dict[str, Tensor]) -> list[Tensor]:
            tensors = {**self.fixed, **wanted}
            output = functional_call(self.module, tensors, args, kwargs)
            found = pytree.tree_leaves(output)
            return [found[position] for position in self.positions]

        pullback: Any = vjp(forward, self.wanted)[1]
        (result,) = pullback([gradient.unsqueeze(0) for gradient in gradients])
        return dict(result)

    def _randomness(self) -> UnsupportedLayerError:
        names = ", ".join(self.wanted)
        return UnsupportedLayerError(
            f"per-example gradients of {names} must come from a second run of "
            f"{type(self.module).__name__}, which draws random numbers (dropout?), so "
            "that it would differ from the first. Set its dropout to zero, or freeze "
            "these parameters."
        )
