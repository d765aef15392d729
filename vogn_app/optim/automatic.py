"""Blocks that begin with the model's forward pass and end with the backward pass.

For training loops that cannot be changed: those of frameworks, or of scripts that are
to stay as they are.

A block begins with the first call, in train mode and with gradients, of the model or of
any module in it, since frameworks may call a method that calls a part. Further calls
join it. It ends

- with the first backward pass through an output that gives the optimizer's parameters a
  gradient: what the block recorded is used;
- when nobody holds the graph any more, when a forward pass or backward pass fails, and
  when the mean is asked for: by a call in eval mode without gradients, `state_dict()`
  of the model, a step or a block of the user's. Then nothing of it is used, and a later
  backward pass through its graph is an error.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch._C._dynamo.eval_frame import get_eval_frame_callback
from torch._compile import _disable_dynamo
from torch.autograd import Variable
from torch.utils.hooks import RemovableHandle

from ..curvature.functional import output_tensors

Context = AbstractContextManager[None]


class Owner(Protocol):
    """What an optimizer with automatic blocks has."""

    def _automatic_block(self, called: nn.Module) -> Context | None:
        """Context of a block, begun by a call of a module; None if none is wanted."""

    def _has_gradients(self) -> bool:
        """Whether a backward pass in the block reached a parameter."""


class Abandoned(Exception):  # noqa: N818 - nothing went wrong
    """Ends a block whose gathered statistics are not to be used."""


class _Graph:
    """Held by the graph of a block, and dies with it."""


class AutomaticBlocks:
    """Opens a block before a forward pass to train on, and closes it after backward.

    Args:
        model: The model.
        owner: The optimizer, held weakly.
    """

    def __init__(self, model: nn.Module, owner: Owner) -> None:
        self._owner: Callable[[], Owner | None] = weakref.ref(owner)
        self._block: Context | None = None
        self._graph: weakref.ref[_Graph] | None = None
        self._in_backward = False
        self._called: nn.Module | None = None  # the outermost module that is running
        self._inner_output: Any = None  # of the last module within that one
        handles = [handle for m in model.modules() for handle in self._watch(m)]
        self._handles = handles
        weakref.finalize(owner, _remove, handles).atexit = False

    def _watch(self, module: nn.Module) -> Iterator[RemovableHandle]:
        scripted = isinstance(module, torch.jit.ScriptModule)
        if not scripted and next(module.parameters(), None) is not None:
            yield module.register_forward_pre_hook(self._before)
            yield module.register_forward_hook(self._after, always_call=True)
            yield module.register_state_dict_pre_hook(self._before_state_dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> "AutomaticBlocks":
        """A copied model belongs to no optimizer before a copied one takes it."""
        return _inert()

    def __reduce__(self) -> tuple[Any, ...]:
        return _inert, ()

    @property
    def waits(self) -> bool:
        """Whether a block is open."""
        return self._block is not None

    def close(self) -> None:
        """End an open block and watch no longer."""
        self.give_up()
        _remove(self._handles)

    def settle(self) -> None:
        """End a block whose backward pass failed or will never come.

        To be called outside of the model's own passes.
        """
        self._called = None  # an interrupt may have left it
        waiting = self._graph is not None and self._graph() is not None
        if not (self._backward_runs() if self._in_backward else waiting):
            self._abandon()

    def give_up(self) -> None:
        """End a block that still waits for its backward pass: the mean is wanted."""
        if not (self._in_backward and self._backward_runs()):
            self._abandon()

    def _backward_runs(self) -> bool:
        return bool(torch._C._current_graph_task_id() != -1)

    def _abandon(self) -> None:
        """Put the mean back, and use nothing of the block."""
        block = self._ended()
        if block is not None:
            block.__exit__(Abandoned, Abandoned(), None)

    def _ended(self) -> Context | None:
        block, self._block = self._block, None
        self._graph, self._in_backward = None, False
        self._called = self._inner_output = None
        return block

    def _before(self, module: nn.Module, args: Any) -> None:  # noqa: ARG002
        compiled = (
            torch.compiler.is_compiling() or get_eval_frame_callback() is not None
        )
        if not compiled or (module.training and torch.is_grad_enabled()):
            self._begin(module, compiled)

    @_disable_dynamo  # a compiled graph that meets it is cut
    def _begin(self, module: nn.Module, compiled: bool) -> None:
        """A call begins."""
        owner = self._owner()
        if self._called is not None or (self._in_backward and self._backward_runs()):
            return
        if owner is None or not any(p.requires_grad for p in module.parameters()):
            return
        if not module.training and not torch.is_grad_enabled():
            self.give_up()
            return
        self.settle()
        if self._block is None and module.training and torch.is_grad_enabled():
            self._block = self._opened(owner._automatic_block(module), compiled)
        if self._block is not None:
            self._called = module

    def _opened(self, block: Context | None, compiled: bool) -> Context | None:
        if block is not None and compiled:  # hooks of layers would not run
            raise RuntimeError(
                "the model must be compiled by `model = torch.compile(model)` before "
                "the optimizer is made when automatic is True, got one that was "
                "compiled in place or later."
            )
        if block is not None:
            block.__enter__()
        return block

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        if not torch.compiler.is_compiling():
            self._finish(module, output)

    def _finish(self, module: nn.Module, output: Any) -> None:
        """A call is over, maybe by an error."""
        if self._called is None:
            return
        if module is not self._called:
            self._inner_output = output
            return
        # Objects of which nobody knows the tensors: those of the last module within.
        tensors = output_tensors(output) or output_tensors(self._inner_output)
        self._called = self._inner_output = None
        if torch.is_grad_enabled():
            self._wait_for(list(tensors.values()))
        if self._graph is None:  # an error, or nothing to train
            self._abandon()

    def _wait_for(self, tensors: list[Tensor]) -> None:
        """Wait for the backward pass through any of the tensors."""
        graph = _Graph() if self._graph is None else self._graph()
        for tensor in tensors:
            if tensor.grad_fn is not None and graph is not None:
                tensor.register_hook(partial(self._begin_backward, graph))
                if self._graph is None:
                    self._graph = weakref.ref(graph)
                    gone = weakref.finalize(graph, self._graph_gone, self._graph)
                    gone.atexit = False

    def _graph_gone(self, graph: "weakref.ref[_Graph]") -> None:
        if self._graph is graph and not self._in_backward:
            self._abandon()

    def _before_state_dict(self, *args: Any) -> None:  # noqa: ARG002
        self.give_up()

    def _begin_backward(self, graph: _Graph, gradient: Tensor) -> None:  # noqa: ARG002
        if self._owner() is None:
            return
        if self._graph is None or self._graph() is not graph:
            raise RuntimeError(
                "backward must run once for each forward pass in train mode, before "
                "any step, state_dict or evaluation, got a graph whose weights are no "
                "longer in the model: add losses up, or run the model again."
            )
        if not self._in_backward:
            self._in_backward = True
            engine: Any = Variable._execution_engine
            engine.queue_callback(self._end)

    def _end(self) -> None:
        """A backward pass is over."""
        owner = self._owner()
        if owner is not None and not owner._has_gradients():
            self._in_backward = False  # `torch.autograd.grad`, as of the inputs
            self.settle()
            return
        block = self._ended()
        if block is not None:
            block.__exit__(None, None, None)


def _remove(handles: list[RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()


def _inert() -> AutomaticBlocks:
    blocks = AutomaticBlocks.__new__(AutomaticBlocks)
    blocks._owner = lambda: None
    blocks._block = blocks._graph = blocks._called = blocks._inner_output = None
    blocks._in_backward, blocks._handles = False, []
    return blocks
