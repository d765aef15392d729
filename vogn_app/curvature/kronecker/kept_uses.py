"""Calls of linear maps that are kept, and which are all there is to a gradient."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from functools import partial
from typing import final

from torch import Tensor, nn

from .blocks import Block
from .calls import Use
from .copies import Hook


@final
class KeptUses:
    """Inputs and output gradients of calls.

    Args:
        parameters: By name.
        blocks: By name.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], blocks: Mapping[str, Block]
    ) -> None:
        self._parameters, self._blocks = parameters, blocks
        self.wanted: set[str] = set()  # blocks whose calls may be all there is
        self.clear()

    def clear(self) -> None:
        """Forget all calls."""
        self.uses: list[Use] = []
        self._accumulated: dict[str, tuple[Tensor, int]] = {}  # with their versions

    def want(self, names: Collection[str], stack: ExitStack) -> None:
        """See from now on what becomes of the gradients of some blocks.

        Args:
            names: Of the blocks.
            stack: Gets what ends it.
        """
        self.wanted = set(names)
        for name in names:
            for part in self._blocks[name].parts.values():
                note = Hook(partial(self._note_accumulated, part.name))
                parameter = self._parameters[part.name]
                handle = parameter.register_post_accumulate_grad_hook(note)
                stack.callback(handle.remove)

    def _note_accumulated(self, name: str, parameter: Tensor) -> None:
        assert parameter.grad is not None
        self._accumulated[name] = parameter.grad, parameter.grad._version

    def add(self, block: Block, x: Tensor, c: Tensor) -> None:
        """Keep a call of a linear map: its input and the gradient of its output."""
        own = (self._parameters[part.name] for part in block.parts.values())
        first = all(p.grad is None and not p._backward_hooks for p in own)
        self.uses.append(Use(block.name, x, c, first))

    def take(self) -> list[Use]:
        """The calls, which are then forgotten."""
        uses, self.uses = self.uses, []
        return uses

    def lone(self) -> dict[str, Use]:
        """Calls that are all there is to the gradients of their block.

        Nothing was accumulated before or after, and nothing has changed since.
        """
        by_block: dict[str, list[Use]] = {}
        for use in self.uses:
            by_block.setdefault(use.block, []).append(use)
        return {
            name: uses[0]
            for name, uses in by_block.items()
            if len(uses) == 1 and uses[0].first and self._is_untouched(name)
        }

    def _is_untouched(self, name: str) -> bool:
        for part in self._blocks[name].parts.values():
            gradient = self._parameters[part.name].grad
            noted, version = self._accumulated.get(part.name, (None, 0))
            if (
                gradient is None
                or gradient is not noted
                or gradient._version != version
            ):
                return False
        return True
