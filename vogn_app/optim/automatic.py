"""Blocks that begin with the model's forward pass and end with the backward pass.

For training loops that cannot be changed: those of frameworks, or of scripts that are
to stay as they are.
"""

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Variable

from ..curvature.functional import output_tensors

Open = Callable[[], AbstractContextManager[None] | None]


class _Alive:
    """Lives in a graph, and dies with it."""


class AutomaticBlocks:
    """Opens a block before a forward pass to train on, and closes it after backward.

    A forward pass in eval mode or without gradients opens none. A further pass before
    the backward pass belongs to the block. If the graph is let go without a backward
    pass, the block ends with it, and nothing of it is used.

    Args:
        model: The model.
        open_block: A method, held weakly, that gives the context of a block, or None if
            there is to be none.
    """

    def __init__(self, model: nn.Module, open_block: Open) -> None:
        self._open_block = weakref.WeakMethod(open_block)
        self._block: AbstractContextManager[None] | None = None
        self._graph: weakref.ref[_Alive] | None = None
        self._in_backward = False
        self._handles = [
            model.register_forward_pre_hook(self._before),
            model.register_forward_hook(self._after, always_call=True),
        ]

    def __deepcopy__(self, memo: dict[int, Any]) -> "AutomaticBlocks":
        """A copied model belongs to no optimizer before a copied one takes it."""
        return _inert()

    def __reduce__(self) -> tuple[Any, ...]:
        return _inert, ()

    def remove(self) -> None:
        """Let go of the model."""
        self.abandon()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def settle(self) -> None:
        """End a block whose backward pass failed or will never come."""
        if self._in_backward:
            due = torch._C._current_graph_task_id() != -1
        else:
            due = self._graph is not None and self._graph() is not None
        if not due:
            self.abandon()

    def abandon(self) -> None:
        """Put the mean back, and use nothing of the block."""
        block, self._block = self._block, None
        self._graph, self._in_backward = None, False
        if block is not None:
            error = Abandoned()
            block.__exit__(Abandoned, error, None)

    def _before(self, model: nn.Module, args: Any) -> None:  # noqa: ARG002
        if self._block is not None:
            self.settle()
        opens = self._open_block()
        if self._block is None and opens is not None:
            wanted = model.training and torch.is_grad_enabled()
            block = opens() if wanted else None
            if block is not None:
                block.__enter__()
                self._block = block

    def _after(self, model: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        if self._block is None or self._in_backward or not torch.is_grad_enabled():
            return
        alive = _Alive() if self._graph is None else self._graph()
        for tensor in output_tensors(output).values():
            if tensor.grad_fn is not None and alive is not None:
                metadata: Any = tensor.grad_fn.metadata
                metadata[_Alive] = alive
                tensor.register_hook(self._begin_backward)
                if self._graph is None:
                    self._graph = weakref.ref(alive)
                    weakref.finalize(alive, self._graph_gone, self._graph)
        if self._graph is None:  # an error, or nothing to train
            self.abandon()

    def _graph_gone(self, graph: "weakref.ref[_Alive]") -> None:
        if self._graph is graph and not self._in_backward:
            self.abandon()

    def _begin_backward(self, gradient: Tensor) -> None:  # noqa: ARG002
        if self._block is not None and not self._in_backward:
            self._in_backward = True
            engine: Any = Variable._execution_engine
            engine.queue_callback(self._end)

    def _end(self) -> None:
        block, self._block = self._block, None
        self._graph, self._in_backward = None, False
        if block is not None:
            block.__exit__(None, None, None)


class Abandoned(Exception):  # noqa: N818 - nothing went wrong
    """Ends a block whose gathered statistics are not to be used."""


def _inert() -> AutomaticBlocks:
    blocks = AutomaticBlocks.__new__(AutomaticBlocks)
    blocks._open_block = lambda: None  # type: ignore[assignment]
    blocks._block = blocks._graph = None
    blocks._in_backward, blocks._handles = False, []
    return blocks
