"""The hooks of one block, and what they gather while the user's backward runs."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.hooks import RemovableHandle

from .accumulator import SquareAccumulator
from .broadcast import (
    Consumers,
    Meeting,
    Path,
    find_meetings,
    on_gradient,
    paths_of,
    pulled_back,
)
from .evidence import Evidence, RerunEvidence, promoted
from .functional import ModuleCall, output_tensors
from .hooks import LayerHooks, split_rows
from .rerun import ModelCalls, count_examples
from .uses import LayerUse, Purpose

if TYPE_CHECKING:
    from .capture import SquareCapture


@dataclass
class Squares:
    """Result of a recording.

    Args:
        sums: Sum over examples of squared contributions, by parameter name.
        num_examples: Examples in the block.
        plain: Whether contributions are gradients of each example's own loss. Otherwise
            they carry what the user's loss does: a mean over the examples divides them
            by their number, a loss scale multiplies them.
    """

    sums: dict[str, Tensor]
    num_examples: int
    plain: bool = False


class Recording:
    """Squares of one block.

    Args:
        capture: Says which layers and parameters.
        squares: Whether squares are wanted; otherwise examples are counted only.
        called: A module whose call has begun already.
    """

    def __init__(
        self,
        capture: "SquareCapture",
        *,
        squares: bool,
        called: nn.Module | None = None,
    ) -> None:
        self.capture = capture
        self.wants_squares, self.called = squares, called
        self.active = True
        self.state: dict[str, SquareAccumulator] = {}
        self.shared: dict[str, SquareAccumulator] = {}  # by broadcasting
        self.paths: dict[str, list[Path]] = {}  # to meetings of shared parameters
        self.handles: list[RemovableHandle] = []  # of hooks in the graph
        self.shapes: dict[nn.Module, torch.Size] = {}  # of layers' first inputs
        self.calls = ModelCalls()
        self.squares = Squares({}, 0)

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Watch the model within the context."""
        with ExitStack() as stack:
            stack.callback(setattr, self, "active", False)
            if self.wants_squares:
                for layer in self.capture.layers:
                    stack.enter_context(LayerHooks(self, layer).installed())
            model = self.capture.model
            handle = model.register_forward_hook(self._after_model, with_kwargs=True)
            stack.callback(handle.remove)
            if isinstance(model, DistributedDataParallel):
                stack.enter_context(model.no_sync())
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Ignore what runs within, such as a second run of the same modules."""
        before, self.active = self.active, False
        try:
            yield
        finally:
            self.active = before

    def records(self, purpose: Purpose) -> bool:
        """Whether squares are taken from a backward pass with this purpose."""
        return self.active and purpose is Purpose.ACCUMULATED

    def finish(self) -> Squares:
        """Complete and check the squares, once the block's passes have run."""
        gradients = self.capture.gradients()
        if self.wants_squares:
            return self.capture.finish(self, gradients)
        return Squares({}, count_examples(self.calls.completed()))

    def open(self, names: dict[str, str], module: nn.Module) -> LayerUse | None:
        """Note a use of parameters in a forward pass.

        Args:
            names: Local name of each parameter -> its key in `state`.
            module: The layer.

        Returns:
            The use; None if its backward will not run.
        """
        recomputed = torch._C._current_graph_task_id() != -1
        silent = not torch.is_grad_enabled()
        for key in names.values():
            state = self.state.get(key)
            if state is None:
                state = self.state[key] = self._accumulator(key)
            if not recomputed:
                state.use(silent=silent)
        return None if silent else LayerUse(self, names, module, recomputed)

    def _accumulator(self, key: str) -> SquareAccumulator:
        return SquareAccumulator(self.capture.needs_proof(split_rows(key)[0]))

    def mark_unfit(self, use: LayerUse) -> None:
        """Note that a use did not give its squares."""
        for key in use.names.values():
            self.state[key].unfit = True

    def take(
        self, use: LayerUse, evidence: Evidence | RerunEvidence
    ) -> dict[str, Tensor]:
        """Add the squares of a use whose backward runs.

        Args:
            use: The use of the parameters.
            evidence: What its backward knows.

        Returns:
            Gradients of the parameters, by local name.
        """
        use.returns()
        if evidence.blind:
            self.mark_unfit(use)
            return evidence.sums(list(use.names)).summed
        states = {local: self.state[key] for local, key in use.names.items()}
        for state in states.values():
            if state.verify:
                state.computed_in(evidence.dtypes)
        if any(state.shares(recomputed=use.recomputed) for state in states.values()):
            self.capture.repeated |= {split_rows(key)[0] for key in use.names.values()}
            return _take_repeated(use, evidence, states)
        sums = evidence.sums(list(use.names))
        for local, state in states.items():
            state.add_sums(sums.summed[local], sums.squares[local])
            state.num_examples += evidence.num_examples
            state.flush()
        return sums.summed

    def _after_model(
        self,
        module: nn.Module,  # noqa: ARG002
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> None:
        if self.active and torch.is_grad_enabled():
            self.note(args, kwargs, output)

    def note(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> ModuleCall | None:
        """Note a call of the model, backward still to come.

        Args:
            args: Positional arguments.
            kwargs: Keyword arguments.
            output: What it gave.

        Returns:
            The call; None if nothing needs a gradient.
        """
        call = self.calls.note(args, kwargs, output)
        if call is not None and self.wants_squares:
            self._prepare(call, output)
        return call

    def _prepare(self, call: ModuleCall, output: Any) -> None:
        """Look for what the layers' own hooks do not see."""
        consumers = Consumers(output_tensors(output).values())
        if self.calls.is_first_of_group(call):
            self._look_for_other_uses(consumers)
        if call.num_examples == 1:
            return
        self._watch_shared(call, consumers)
        with self.paused():
            self.capture.learn(call, self.shapes, self.paths)

    def _look_for_other_uses(self, consumers: Consumers) -> None:
        """Notice uses of parameters other than by their layers.

        A first use is proved by its gradient; what comes later would go unnoticed.
        """
        for layer in self.capture.layers:
            for name in layer.names.values() if layer.rule is not None else ():
                state = self.state.get(name)
                if state is not None and not state.verify:
                    uses = state.uses + state.silent_uses
                    parameter = self.capture.parameters[name]
                    state.unfit = state.unfit or consumers.of(parameter) > uses

    def _watch_shared(self, call: ModuleCall, consumers: Consumers) -> None:
        names, num = self.capture.broadcast_candidates(), call.num_examples
        if not names:
            return
        known = self.capture.spread
        for name, meetings in find_meetings(consumers, names, num, known).items():
            state = self.shared.setdefault(name, self._accumulator(name))
            self.paths[name] = paths_of(meetings)
            for meeting in meetings:
                state.use()
                receive = partial(self._receive, name, meeting, names[name])
                self.handles.append(on_gradient(meeting, receive))

    def _receive(
        self, name: str, meeting: Meeting, parameter: Tensor, gradient: Tensor | None
    ) -> None:
        if not self.active:
            return
        with self.paused():
            contributions = pulled_back(meeting, parameter, gradient)
        state = self.shared[name]
        if contributions is None or self.capture.spread.get(name) is None:
            state.unfit = True
        else:
            state.computed_in({contributions.dtype})
            state.add_repeated(promoted(contributions))

    def lone_examples(self) -> int | None:
        """Examples so far, if they are those of one backward pass."""
        return self.calls.lone_examples()

    def settled(self, name: str) -> Tensor | None:
        """Squares of a parameter while backward runs, if the last of them is in."""
        state = self.state.get(name)
        whole = state is not None and not (state.uses or state.unfit or state.verify)
        return state.total if state is not None and whole else None

    def flush(self) -> None:
        """Square what is pending, once no more can come."""
        for state in (*self.state.values(), *self.shared.values()):
            state.flush()
        self._join_rows()

    def clear(self) -> None:
        """Let go of what was gathered: hooks in a kept graph still see it."""
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.state, self.shared, self.calls = {}, {}, ModelCalls()
        self.paths, self.shapes = {}, {}

    def _join_rows(self) -> None:
        """Put the rows that projections used together to their parameters."""
        joined: dict[str, SquareAccumulator] = {}
        for key in list(self.state):
            name, rows = split_rows(key)
            if rows is None:
                continue
            whole = joined.setdefault(name, self._accumulator(name))
            part = self.state.pop(key)
            whole.put_rows(part, *rows, self.capture.parameters[name].shape)
        for name, whole in joined.items():
            # Cross terms with a use of the whole parameter would be missed.
            whole.unfit = whole.unfit or name in self.state
        self.state.update(joined)


def _take_repeated(
    use: LayerUse,
    evidence: Evidence | RerunEvidence,
    states: dict[str, SquareAccumulator],
) -> dict[str, Tensor]:
    """Keep the contributions, to be added to those of other uses before squaring."""
    parts = list(evidence.chunks(list(use.names)))
    every = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    for local, state in states.items():
        state.add_repeated(every[local], recomputed=use.recomputed)
    return {local: contributions.sum(0) for local, contributions in every.items()}


_stances: list[Any] = []  # torch's own context, once for each open block


@contextmanager
def uncompiled() -> Iterator[None]:
    """Compiled models run as they were written: a compiled graph has no hooks.

    Blocks of several optimizers may end in any order; the last one restores.

    Yields:
        Nothing.
    """
    if "torch._dynamo" not in sys.modules:
        yield
        return
    first = _stances[0] if _stances else torch.compiler.set_stance("force_eager")
    _stances.append(first)
    try:
        yield
    finally:
        _stances.pop()
        if not _stances:
            first.__exit__(None, None, None)
