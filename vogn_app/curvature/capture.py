"""Record sums of squared per-example gradients while the user's own backward runs.

    with SquareCapture(model, parameters).recording() as recording:
        loss_function(model(x), y).backward()
    squares = recording.squares

Each layer is reduced inside the backward pass, as soon as the gradient of its output is
known, so per-example gradients of one layer at most are alive at a time. Hooks exist
only within the block. Ways to a parameter's squares, in the order in which they are
tried:

1. The rule of the layer that owns it (`rules`). Linear layers and convolutions get
   their weight gradient from the same product (`uses`); the projections of attention
   count as linear layers (`attention`).
2. A second run of that layer alone: `recurrent`, or `functional` for any other module
   without children and for layers derived from BatchNorm, the batch's statistics held.
3. `broadcast` for parameters that are added to, multiplied with, or expanded over the
   examples.
4. A second run of the whole model, one example at a time (`functional`), for whatever
   is still missing: weights that a parent uses directly, layers that do not have the
   examples first.

A parameter used several times in one forward pass (a module called twice, tied weights)
gets its contributions added before squaring, cross terms included. So do several calls
of the model before one backward: they must be on the same examples. When a parameter
first takes part, and always in second runs, the summed contributions are compared with
its gradient; the model is run once on fewer examples to see where its layers have the
examples, and whether it mixes them (`experiment`). What one way missed goes to the
next, and if the last disagrees too, it is an error.

Sums cannot show everything. Not noticed are a layer used twice with the examples in
another order (`exactness` names the condition), rows picked by a mask that happen to be
as many as the examples, and, once a parameter was proved, gradients changed within the
block or a penalty on the weights.

A compiled model runs uncompiled within the block. A model in DistributedDataParallel
does not exchange gradients there: squares and gradients are those of this process.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import UnsupportedLayerError
from .accumulator import SquareAccumulator
from .broadcast import Consumers, Path, find_meetings, paths_of
from .experiment import run_on_few
from .fisher import FisherRecording
from .functional import ModuleCall, listed, output_tensors
from .labels import FisherPass
from .layers import find_layers, unwrapped
from .proof import Found, dense, inexact
from .recording import Recording, Squares, uncompiled
from .rerun import CallGroup, add_contributions, count_examples

BROADCAST = "broadcast"
WHOLE_MODEL = "functional (whole model)"
EXACT = "exact"
UNTESTED = "exact if the model treats examples alone, which could not be tested"
SHARED = "exact if all its uses have the examples in one order, which is not tested"
MIXED = "per-example contributions: the model mixes the examples of a batch"
BATCH_NORM = (
    "per-example contributions with the batch's statistics as constants: BatchNorm in "
    "train mode mixes the examples"
)


class SquareCapture:
    """Knows how each parameter's squares are obtained, and records them.

    Args:
        model: The model; its own call is what the whole-model run repeats.
        parameters: Parameters wanted, by their name in the model.
    """

    def __init__(
        self, model: nn.Module, parameters: Mapping[str, nn.Parameter]
    ) -> None:
        self.model = model
        self.parameters = dict(parameters)
        self.layers = find_layers(model, self.parameters)
        self.verified: set[str] = set()
        self.elsewhere: dict[str, str] = {}  # names whose layer is of no use: the way
        self.mixes: bool | None = None  # whether the model mixes examples, once tested
        # Which dimension of a layer's input has the examples, once seen; None if none.
        self.examples_at: dict[nn.Module, int | None] = {}
        # How parameters reach their examples by broadcasting, once seen; None if not.
        self.spread: dict[str, list[Path] | None] = {}
        self.repeated: set[str] = set()  # used several times in a forward pass
        self._inner, self._prefix = unwrapped(model)
        self._owner = {n: layer for layer in self.layers for n in layer.names.values()}

    def coverage(self, model: nn.Module | None = None) -> dict[str, str]:
        """By which rule each parameter's squares are obtained.

        Of parameters that no layer has a rule for, this is known once they took part.

        Args:
            model: Another model to ask about; by default the one that is recorded.

        Returns:
            Rule by parameter name: a layer rule's name, `functional` for the owner's
            second run, `broadcast`, or `functional (whole model)`.
        """
        if model is not None and model is not self.model:
            return coverage(model)
        owned = {name: layer.label for name, layer in self._owner.items()}
        rest = dict.fromkeys(self.parameters, WHOLE_MODEL)
        return {**rest, **owned, **self.elsewhere}

    def exactness(self) -> dict[str, str]:
        """Whether each parameter's squares are those of single-example losses.

        Whether the model mixes examples is tested when a parameter first takes part; a
        model that draws random numbers (dropout) cannot be tested.

        Returns:
            By parameter name `exact`, or why not, in the model's present mode.
        """
        known = {None: UNTESTED, True: MIXED, False: EXACT}[self.mixes]
        verdict = BATCH_NORM if self._has_batch_statistics() else known
        shared = dict.fromkeys(self.repeated, SHARED) if verdict is EXACT else {}
        return {**dict.fromkeys(self.parameters, verdict), **shared}

    def _has_batch_statistics(self) -> bool:
        return any(
            isinstance(m, _BatchNorm) and (m.training or m.running_mean is None)
            for m in self.model.modules()
        )

    def needs_proof(self, name: str) -> bool:
        """Whether a parameter's contributions are to be compared with its gradient.

        Second runs are, in every block.
        """
        layer = None if name in self.elsewhere else self._owner.get(name)
        again = layer is not None and layer.rule is None and not layer.is_attention
        return again or name not in self.verified

    def broadcast_candidates(self) -> dict[str, nn.Parameter]:
        """Parameters that may have to meet their examples by broadcasting."""
        return {
            name: parameter
            for name, parameter in self.parameters.items()
            if parameter.requires_grad and self._may_broadcast(name)
        }

    def _may_broadcast(self, name: str) -> bool:
        if self.spread.get(name, ()) is None:
            return False
        if name in self.elsewhere:
            return self.elsewhere[name] == BROADCAST
        return name not in self._owner or name not in self.verified

    @contextmanager
    def recording(
        self,
        *,
        squares: bool = True,
        fisher: FisherPass | None = None,
        called: nn.Module | None = None,
    ) -> Iterator[Recording]:
        """Record the forward and backward passes of the block.

        Args:
            squares: Whether squares are wanted; otherwise examples are counted only.
            fisher: Take squares at labels of the model's own (`fisher`) instead of
                those of the user's backward passes.
            called: A module whose call has begun already.

        Yields:
            The recording; its `squares` are there once the block ended well.

        Raises:
            UnsupportedLayerError: At the end of the block, if a parameter received a
                gradient but its per-example gradients cannot be had exactly.
        """
        recording = (
            Recording(self, squares=squares, called=called)
            if fisher is None or not squares
            else FisherRecording(self, fisher, called=called)
        )
        try:
            with uncompiled() if squares else nullcontext():
                with recording.hooks():
                    yield recording
                with torch.no_grad():
                    recording.squares = recording.finish()
        finally:
            recording.clear()

    def gradients(self) -> dict[str, Tensor]:
        """What is in `.grad`, by parameter name; UnsupportedLayerError if sparse."""
        return dense({
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        })

    def finish(self, recording: Recording, gradients: Mapping[str, Tensor]) -> Squares:
        """Complete and check the squares of backward passes that have run.

        Args:
            recording: What their hooks gathered.
            gradients: What the passes gave, by parameter name.

        Returns:
            The squares.

        Raises:
            UnsupportedLayerError: If some cannot be had exactly.
        """
        recording.flush()
        groups = recording.calls.completed()
        num_examples = self._num_examples(recording, gradients, groups)
        if groups and num_examples == 0:
            return Squares({}, 0)
        found = Found(recording.state, num_examples)
        missing = [n for n, g in gradients.items() if not self._agrees(found, n, g)]
        shared = Found(recording.shared, num_examples)
        left = [n for n in missing if not shared.agrees(n, gradients[n])]
        states = {n: recording.shared[n] for n in missing if n not in left}
        self._note(states, BROADCAST)
        whole = self._whole_model(left, num_examples, gradients, groups)
        own = {n: s for n, s in recording.state.items() if n in gradients}
        return self._publish({**own, **states, **whole}, num_examples)

    def _publish(
        self, states: Mapping[str, SquareAccumulator], num_examples: int
    ) -> Squares:
        new = states.keys() - self.verified
        self.verified |= {name for name in new if states[name].proven()}
        sums = {n: s.total for n, s in states.items() if s.total is not None}
        return Squares(sums, num_examples)

    def _agrees(self, found: Found, name: str, gradient: Tensor) -> bool:
        """Whether a parameter's own layer gave its squares."""
        return name not in self.elsewhere and found.agrees(name, gradient)

    def _num_examples(
        self,
        recording: Recording,
        gradients: Mapping[str, Tensor],
        groups: list[CallGroup],
    ) -> int:
        states = (s for n, s in recording.state.items() if n in gradients)
        counts = {s.num_examples for s in states if not s.unfit and s.total is not None}
        if groups and len(counts) != 1:
            return count_examples(groups)
        return max(counts, default=0)

    def learn(
        self,
        call: ModuleCall,
        shapes: Mapping[nn.Module, torch.Size],
        shared: Mapping[str, list[Path]],
    ) -> None:
        """See, once, where the layers and operations of a call have the examples.

        Args:
            call: A call of the model, on more than one example.
            shapes: Of the first input of each layer that took part.
            shared: How parameters met their examples by broadcasting.
        """
        layers = [
            layer
            for layer in self.layers
            if layer.module in shapes and layer.module not in self.examples_at
        ]
        new = shared.keys() - self.spread.keys()
        if not layers and not new:
            return
        with torch.set_grad_enabled(bool(new)):
            seen = run_on_few(self._inner, layers, call, shapes)
        known = {layer.module: 0 for layer in layers}
        self.examples_at.update({**known, **seen.dimensions})
        wanted = {name: self.parameters[name] for name in new}
        if seen.output is None:
            self.spread.update({name: shared[name] for name in new})
            return
        self._learn_of_mixing(seen.mixes)
        consumers = Consumers(output_tensors(seen.output).values())
        meetings = find_meetings(consumers, wanted, seen.num_examples, {})
        for name in new:
            same = name in meetings and paths_of(meetings[name]) == shared[name]
            self.spread[name] = shared[name] if same else None

    def _learn_of_mixing(self, mixes: bool | None) -> None:
        news = mixes and not self.mixes and not self._has_batch_statistics()
        self.mixes = self.mixes if mixes is None else mixes
        if news:
            warnings.warn(
                "The model mixes the examples of a batch: what one example contributes "
                "to the gradient is not the gradient of its own loss. The squares are "
                "those of the contributions.",
                stacklevel=2,
            )

    def _whole_model(
        self,
        names: list[str],
        num_examples: int,
        gradients: Mapping[str, Tensor],
        groups: list[CallGroup],
    ) -> dict[str, SquareAccumulator]:
        """Squares of what is still missing, by a second run of the model."""
        if not names:
            return {}
        if not groups:
            raise UnsupportedLayerError(
                f"per-example gradients of {listed(names)} must come from a call of "
                "the whole model, got none: call the model that the optimizer was "
                "given, with the examples in the first dimension."
            )
        states = {name: SquareAccumulator() for name in names}
        inner = {name.removeprefix(self._prefix): s for name, s in states.items()}
        known = {name.removeprefix(self._prefix): gradients[name] for name in names}
        add_contributions(self._inner, inner, known, groups)
        found = Found(states, num_examples)
        for name in names:
            if not found.explains(name, gradients[name]):
                raise inexact(name)
        if num_examples > 1:  # a single example says nothing about the next batch
            self._announce(names)
            self._note(states, WHOLE_MODEL)
        return states

    def _note(self, states: Mapping[str, SquareAccumulator], way: str) -> None:
        """Remember which way served parameters whose own layer does not."""
        self.elsewhere.update({name: way for name in states if states[name].proven()})

    def _announce(self, names: list[str]) -> None:
        new = [name for name in names if self.elsewhere.get(name) != WHOLE_MODEL]
        surprising = [name for name in new if name in self._owner]
        if surprising:
            warnings.warn(
                f"The squared gradients of {listed(surprising)} need a second run of "
                "the whole model: exact, but slower. The layer does not see the "
                "examples in its first dimension, or its weights are used elsewhere.",
                stacklevel=2,
            )


def coverage(model: nn.Module) -> dict[str, str]:
    """By which rule each trainable parameter of a model is covered.

    Args:
        model: The model.

    Returns:
        As `SquareCapture.coverage`, before any step.
    """
    wanted = {n: p for n, p in model.named_parameters() if p.requires_grad}
    return SquareCapture(model, wanted).coverage()
