"""Record sums of squared per-example gradients while the user's own backward runs.

    with SquareCapture(model, parameters).recording() as recording:
        loss_function(model(x), y).backward()
    squares = recording.squares

Each layer is reduced inside the backward pass, as soon as the gradient of its output is
known, so per-example gradients of one layer at most are alive at a time. Hooks exist
only within the block. Rules, in the order in which they are tried:

1. A layer rule (`per_example.RULES`) for the module that owns the parameter.
2. `functional` for any other module without children: its own re-run.
3. `functional` for the whole model, for whatever is still missing: bare parameters of
   composite modules, weights that a parent uses directly, layers that do not have the
   examples first.

A parameter used several times in one forward pass (a module called twice, tied weights)
gets its contributions added before squaring, cross terms included. The first recording
compares the summed contributions of every parameter with its gradient: what a rule
missed goes to the whole-model run, and if that disagrees too, it is an error. Nothing
is left out silently.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import UnsupportedLayerError
from . import functional
from .accumulator import SquareAccumulator
from .functional import ModuleCall, output_tensors
from .layers import Layer, find_layers, layer_contributions, promoted
from .per_example import LINEAR, linear_squares


@dataclass
class _LayerCall:
    layer: Layer
    names: dict[str, str]
    call: ModuleCall | None
    fits: bool


@dataclass
class Squares:
    """Result of a recording.

    Args:
        sums: Sum over examples of squared contributions, by parameter name.
        num_examples: Examples in the block.
    """

    sums: dict[str, Tensor]
    num_examples: int


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
        self.verify_next = True
        self.whole_model: set[str] = set()

    def coverage(self) -> dict[str, str]:
        """By which rule each parameter's squares are obtained.

        Returns:
            Rule by parameter name: a layer rule's name, `functional` for the owner's
            re-run, or `functional (whole model)`.
        """
        result = dict.fromkeys(self.parameters, "functional (whole model)")
        for layer in self.layers:
            rule = layer.rule.name if layer.rule else "functional"
            result.update(dict.fromkeys(layer.names.values(), rule))
        whole = dict.fromkeys(self.whole_model, "functional (whole model)")
        return {**result, **whole}

    @contextmanager
    def recording(self) -> Iterator["Recording"]:
        """Record the forward and backward passes of the block.

        Yields:
            The recording; its `squares` are there once the block ended well.

        Raises:
            UnsupportedLayerError: At the end of the block, if a parameter received a
                gradient but its per-example gradients cannot be had exactly.
        """
        recording = Recording(self)
        handles = recording.install()
        try:
            yield recording
        finally:
            for handle in handles:
                handle.remove()
            recording.active = False
        recording.finish()


class Recording:
    """The hooks of one block and what they have gathered."""

    def __init__(self, capture: SquareCapture) -> None:
        self.capture = capture
        self.active = True
        self.verify = capture.verify_next
        self.state: dict[str, SquareAccumulator] = {}
        self.model_calls: list[list[ModuleCall]] = []
        self.squares = Squares({}, 0)

    def install(self) -> list[RemovableHandle]:
        """Register the forward hooks."""
        handles = [
            layer.module.register_forward_hook(
                partial(self._after_layer, layer), with_kwargs=True
            )
            for layer in self.capture.layers
        ]
        model = self.capture.model
        handles.append(model.register_forward_hook(self._after_model, with_kwargs=True))
        return handles

    def _after_layer(
        self,
        layer: Layer,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> None:
        tensor = isinstance(output, Tensor) and output.requires_grad
        if not (self.active and tensor and torch.is_grad_enabled()):
            return
        local = dict(module.named_parameters(recurse=False))
        names = {k: v for k, v in layer.names.items() if local[k].requires_grad}
        x = args[0] if args else None
        fits = isinstance(x, Tensor) and x.ndim > 0 and output.ndim > 0
        fits = fits and x.shape[0] == output.shape[0]  # type: ignore[union-attr]
        if fits and layer.rule is not None:
            fits = layer.rule.accepts(module, x)  # type: ignore[arg-type]
        for name in names.values():
            self.state.setdefault(name, SquareAccumulator()).outstanding += 1
        call = ModuleCall(args, kwargs, {0: output.detach()}, {})
        layer_call = _LayerCall(layer, names, call, fits)
        output.register_hook(partial(self._layer_backward, layer_call))

    def _layer_backward(self, layer_call: _LayerCall, gradient: Tensor) -> None:
        if not self.active:
            return
        call, layer_call.call = layer_call.call, None  # frees the activations
        if call is None:
            raise RuntimeError(
                "backward must run once for each forward pass inside "
                "sampled_params(train=True), got a second backward through "
                f"{', '.join(layer_call.names.values())}."
            )
        call.gradients[0] = gradient
        self.active = False  # a re-run calls the same module, hooks and all
        try:
            with torch.no_grad():
                self._reduce(layer_call, call)
        finally:
            self.active = True

    def _reduce(self, layer_call: _LayerCall, call: ModuleCall) -> None:
        states = {k: self.state[v] for k, v in layer_call.names.items()}
        for state in states.values():
            state.returned += 1
            state.unfit = state.unfit or not layer_call.fits
        if not layer_call.fits:
            return
        alone = all(
            s.outstanding == 1 and s.per_example is None for s in states.values()
        )
        if alone:
            self._reduce_single(layer_call.layer, call, states)
        else:
            self._reduce_repeated(layer_call.layer, call, states)

    def _reduce_single(
        self, layer: Layer, call: ModuleCall, states: dict[str, SquareAccumulator]
    ) -> None:
        x = call.args[0]
        if layer.rule is LINEAR and x.ndim == 2 and not self.verify:
            squares = linear_squares(*promoted(x, call.gradients[0]))
            for name, state in states.items():
                state.add_squares(squares[name])
        else:
            for part in layer_contributions(layer, call, list(states)):
                for name, state in states.items():
                    state.add(part[name], self.verify)
        for state in states.values():
            state.num_examples += call.num_examples
            state.flush(self.verify)

    def _reduce_repeated(
        self, layer: Layer, call: ModuleCall, states: dict[str, SquareAccumulator]
    ) -> None:
        parts = list(layer_contributions(layer, call, list(states)))
        for name, state in states.items():
            new = torch.cat([part[name] for part in parts])
            if state.per_example is None:
                state.per_example = new
            elif state.per_example.shape == new.shape:
                state.per_example = state.per_example + new
            else:
                state.unfit = True
            if state.returned == state.outstanding:
                state.flush(self.verify)

    def _after_model(
        self,
        module: nn.Module,  # noqa: ARG002
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> None:
        if not (self.active and torch.is_grad_enabled()):
            return
        outputs = output_tensors(output)
        if not outputs:
            return
        shapes = {position: tensor.detach() for position, tensor in outputs.items()}
        call = ModuleCall(args, kwargs, shapes, {})
        # Calls whose backward has run are other examples; pending ones are the same.
        if not self.model_calls or any(c.gradients for c in self.model_calls[-1]):
            self.model_calls.append([])
        self.model_calls[-1].append(call)
        for position, tensor in outputs.items():
            tensor.register_hook(partial(call.gradients.__setitem__, position))

    @torch.no_grad()
    def finish(self) -> None:
        """Complete, check and publish the squares."""
        for state in self.state.values():
            state.flush(self.verify)
        gradients = {
            name: parameter.grad
            for name, parameter in self.capture.parameters.items()
            if parameter.grad is not None
        }
        num_examples = self._num_examples(gradients)
        missing = [
            n for n, g in gradients.items() if not self._agrees(n, g, num_examples)
        ]
        self._run_whole_model(missing, num_examples, gradients)
        sums = {name: self.state[name].total for name in gradients}
        self._note_verified(set(gradients))
        self.squares = Squares(
            {k: v for k, v in sums.items() if v is not None}, num_examples
        )
        self.model_calls.clear()

    def _note_verified(self, names: set[str]) -> None:
        """Parameters that take part for the first time are checked next time."""
        if self.verify:
            self.capture.verified |= names
        self.capture.verify_next = not self.capture.verified.issuperset(names)

    def _num_examples(self, gradients: Mapping[str, Tensor]) -> int:
        called = [group[0] for group in self.model_calls if group[0].gradients]
        if called:
            return sum(call.num_examples for call in called)
        counts = {self.state[n].num_examples for n in gradients if n in self.state}
        return max(counts, default=0)

    def _agrees(self, name: str, gradient: Tensor, num_examples: int) -> bool:
        """Whether a parameter's own layer gave its squares."""
        state = self.state.get(name)
        if state is None or state.total is None or state.unfit:
            return False
        if name in self.capture.whole_model or state.num_examples != num_examples:
            return False
        return state.summed is None or state.agrees_with(gradient, num_examples)

    def _run_whole_model(
        self, names: list[str], num_examples: int, gradients: Mapping[str, Tensor]
    ) -> None:
        if not names:
            return
        groups = [g for g in self.model_calls if g[0].gradients]
        if not groups:
            raise UnsupportedLayerError(
                f"per-example gradients of {', '.join(names)} must come from a call of "
                "the whole model, got none: call the model that the optimizer was "
                "given, with the examples in the first dimension."
            )
        self._announce(names)
        for name in names:
            self.state[name] = SquareAccumulator()
        verify = not self.capture.verified.issuperset(names)
        for group in groups:
            self._add_group(names, group, verify)
        for name in names:
            state = self.state[name]
            state.num_examples = num_examples
            if state.summed is not None and not state.agrees_with(
                gradients[name], num_examples
            ):
                raise _inexact(name)

    def _add_group(
        self, names: list[str], group: list[ModuleCall], verify: bool
    ) -> None:
        model = self.capture.model
        if len(group) == 1:
            for part in functional.contribution_chunks(model, names, group[0]):
                for name in names:
                    self.state[name].add(part[name], verify)
            return
        for call in group:
            if not call.gradients:
                continue
            parts = list(functional.contribution_chunks(model, names, call))
            for name in names:
                new = torch.cat([part[name] for part in parts])
                old = self.state[name].per_example
                self.state[name].per_example = new if old is None else old + new
        for name in names:
            self.state[name].flush(verify)

    def _announce(self, names: list[str]) -> None:
        new = [name for name in names if name not in self.capture.whole_model]
        owned = {n for layer in self.capture.layers for n in layer.names.values()}
        surprising = [name for name in new if name in owned]
        self.capture.whole_model.update(new)
        if surprising:
            warnings.warn(
                f"The squared gradients of {', '.join(surprising)} need a second run "
                "of the whole model: exact, but slower. The layer does not see the "
                "examples in its first dimension, or its weights are used elsewhere.",
                stacklevel=2,
            )


def _inexact(name: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"per-example gradients of {name} must add up to its gradient, but do not: the "
        "model mixes examples (BatchNorm in train mode?), draws random numbers, or "
        "changes its state. Use a layer that treats examples alone, or freeze it."
    )
