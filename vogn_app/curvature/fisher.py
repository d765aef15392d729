"""Squares at labels drawn from the model: Fisher curvature.

    drawn = FisherPass(Categorical(), generator_of_device)
    with capture.recording(fisher=drawn) as recording:
        loss_function(model(x), y).backward()

When a call of the model ends, labels are drawn from its outputs, and the gradient of
their loss runs back through the graph that the call has just made. From that pass the
squares are taken, in the same ways and with the same proofs as from a pass of the
user's (`capture`); the graph stays for the user's own backward pass, which then costs
and gives what it would outside a block. It only says whether the call counts: calls
that no backward pass to the parameters goes through are left out.

The pass is `torch.autograd.grad`, so nothing of it reaches `.grad`, of parameters or
inputs, or a hook that runs once a gradient is accumulated; hooks on parameters are held
back. Hooks on modules and intermediate tensors, and `retain_grad`, see both passes.
Reentrant checkpoints cannot be differentiated in this way, as torch itself says.

Squares are of the gradient of each example's own loss: they have been neither divided
by the number of examples nor multiplied by a loss scale.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import UnsupportedLayerError
from .evidence import full_precision
from .functional import ModuleCall, listed, output_tensors
from .labels import FisherPass, labelled_output
from .proof import dense
from .recording import Recording, Squares
from .uses import Purpose, accumulates

if TYPE_CHECKING:
    from .capture import SquareCapture


@dataclass
class CallSquares:
    """Squares of one call of the model.

    Args:
        squares: Taken when the call ended.
        used: Whether a backward pass of the user's has since gone through it.
    """

    squares: Squares
    used: bool = False


class FisherRecording(Recording):
    """Squares of one block, at labels drawn from the model.

    Args:
        capture: Says which layers and parameters.
        fisher: What labels are drawn from.
        called: A module whose call has begun already.
    """

    def __init__(
        self,
        capture: "SquareCapture",
        fisher: FisherPass,
        *,
        called: nn.Module | None = None,
    ) -> None:
        super().__init__(capture, squares=True, called=called)
        self.fisher = fisher
        self.drawing = False  # whether the pass from drawn labels runs
        self.groups: list[list[CallSquares]] = []  # calls before one backward pass
        self.marks: list[RemovableHandle] = []  # on the outputs of calls

    def records(self, purpose: Purpose) -> bool:
        """Whether squares are taken from a backward pass with this purpose."""
        return self.active and self.drawing and purpose is Purpose.GIVEN_AWAY

    def note(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> ModuleCall | None:
        """Take the squares of a call of the model that ends.

        Args:
            args: Positional arguments.
            kwargs: Keyword arguments.
            output: What it gave.

        Returns:
            The call; None if nothing needs a gradient.
        """
        outputs = output_tensors(output)
        again = torch._C._current_graph_task_id() != -1  # in a checkpoint around it
        labelled = None if again else labelled_output(output)
        if labelled is None or not labelled.requires_grad:
            return None
        call = super().note(args, kwargs, output)
        assert call is not None
        entry = CallSquares(self._take_squares(call, outputs, labelled))
        if not self.groups or any(e.used for e in self.groups[-1]):
            self.groups.append([])
        self.groups[-1].append(entry)
        for tensor in outputs.values():
            mark = partial(self._mark_used, entry)
            self.marks.append(tensor.register_hook(mark))
        return call

    def _take_squares(
        self, call: ModuleCall, outputs: Mapping[int, Tensor], labelled: Tensor
    ) -> Squares:
        """Run the pass from drawn labels, and finish what it gave."""
        parameters = self._trained()
        if not parameters or call.num_examples == 0:
            super().clear()
            return Squares({}, 0)
        with full_precision(labelled):
            gradient = self.fisher.gradient(labelled, call.num_examples)
            with self._drawn(), without_hooks(parameters.values()):
                found = torch.autograd.grad(
                    labelled, list(parameters.values()), gradient,
                    retain_graph=True, allow_unused=True,
                )  # fmt: skip
            call.gradients.clear()  # outputs below the labelled one have theirs, too
            call.gradients.update({
                i: gradient for i, x in outputs.items() if x is labelled
            })
            named = zip(parameters, found, strict=True)
            gradients = dense({n: g for n, g in named if g is not None})
            with torch.no_grad(), self.paused():
                squares = self.capture.finish(self, gradients)
        super().clear()
        return squares

    def _trained(self) -> dict[str, Tensor]:
        named = self.capture.parameters.items()
        return {name: p for name, p in named if p.requires_grad}

    @contextmanager
    def _drawn(self) -> Iterator[None]:
        """Record the backward pass that runs within the context."""
        self.drawing = True
        try:
            yield
        finally:
            self.drawing = False

    def _mark_used(self, entry: CallSquares, gradient: Tensor) -> None:  # noqa: ARG002
        """Note that a backward pass of the user's goes through a call's output."""
        if self.active and not entry.used:
            entry.used = accumulates(self._trained().values())

    def finish(self) -> Squares:
        """Add the squares of calls that backward passes have gone through.

        Returns:
            The squares.

        Raises:
            RuntimeError: If a backward pass came after several calls of the model.
            UnsupportedLayerError: If a parameter has a gradient but no squares.
        """
        gradients = self.capture.gradients()
        used = [[e.squares for e in group if e.used] for group in self.groups]
        largest = max(map(len, used), default=0)
        if largest > 1:
            raise RuntimeError(
                "curvature must be 'empirical' when the model is called several times "
                f"before a backward pass, got {largest} calls: labels are drawn for "
                "each call alone."
            )
        total = _added([squares for group in used for squares in group])
        left = [name for name in gradients if name not in total.sums]
        if left and (total.num_examples or largest == 0):
            raise UnsupportedLayerError(
                f"squared gradients of {listed(left)} must come from the output that "
                "labels are drawn for, got none: call the model that the optimizer was "
                "given, freeze what this output does not depend on, or use "
                "curvature='empirical'."
            )
        sums = {name: total.sums[name] for name in gradients if name in total.sums}
        return Squares(sums, total.num_examples, plain=True)

    def clear(self) -> None:
        """Let go of everything: the outputs may be kept."""
        super().clear()
        for mark in self.marks:
            mark.remove()
        self.marks, self.groups = [], []


@contextmanager
def without_hooks(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Hold back the hooks on some tensors: they are for the user's own passes.

    Args:
        tensors: Leaves, such as parameters.

    Yields:
        Nothing.
    """
    held = [x._backward_hooks for x in tensors if x._backward_hooks]
    kept = [dict(hooks) for hooks in held]
    for hooks in held:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, own in zip(held, kept, strict=True):
            hooks.update(own)


def _added(every: list[Squares]) -> Squares:
    """The squares of several calls as one, changing the first."""
    sums: dict[str, Tensor] = {}
    for squares in every:
        for name, new in squares.sums.items():
            sums[name] = sums[name].add_(new) if name in sums else new
    return Squares(sums, sum(squares.num_examples for squares in every))
