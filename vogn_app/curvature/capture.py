"""Record sums of squared per-example gradients while the user's own backward runs.

    with SquareCapture(model, parameters).recording() as recording:
        loss_function(model(x), y).backward()
    squares = recording.squares

Each layer is reduced inside the backward pass, as soon as the gradient of its output is
known, so per-example gradients of one layer at most are alive at a time. Hooks exist
only within the block. Rules, in the order in which they are tried:

1. A layer rule (`per_example.RULES`) for the module that owns the parameter.
2. `functional` for any other module without children, and for layers derived from
   BatchNorm, the batch's statistics held: its own re-run.
3. `functional` for the whole model, for whatever is still missing: bare parameters of
   composite modules, weights that a parent uses directly, layers that do not have the
   examples first.

A parameter used several times in one forward pass (a module called twice, tied weights)
gets its contributions added before squaring, cross terms included. So do several calls
of the model before one backward: they must be on the same examples. When a parameter
first takes part, and always in re-runs, the summed contributions are compared with its
gradient, and the model is run once to see which layers have the examples first. What
a rule missed goes to the whole-model run, and if that disagrees too, it is an error.
Nothing is left out silently.
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
from .functional import ModuleCall, listed, output_tensors
from .layers import (
    Layer,
    find_layers,
    layer_contributions,
    names_without_examples,
    promoted,
)
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
        names = {
            k: v
            for k, v in layer.names.items()
            if local[k].requires_grad and v not in self.capture.whole_model
        }
        if not names:
            return
        x = args[0] if args else None
        fits = isinstance(x, Tensor) and x.ndim > 0 and output.ndim > 0
        fits = fits and x.shape[0] == output.shape[0]  # type: ignore[union-attr]
        if fits and layer.rule is not None:
            fits = layer.rule.accepts(module, x)  # type: ignore[arg-type]
        for name in names.values():
            verify = layer.rule is None or name not in self.capture.verified
            state = self.state.setdefault(name, SquareAccumulator(verify))
            state.outstanding += 1
        call = ModuleCall.of(args, kwargs, {0: output})
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
                f"{listed(list(layer_call.names.values()))}."
            )
        call.gradients[0] = gradient
        self.active = False  # a re-run calls the same module, hooks and all
        try:
            with torch.no_grad(), torch.autocast(gradient.device.type, enabled=False):
                self._reduce(layer_call, call)
        finally:
            self.active = True

    def _reduce(self, layer_call: _LayerCall, call: ModuleCall) -> None:
        states = {k: self.state[v] for k, v in layer_call.names.items()}
        for state in states.values():
            state.returned += 1
            state.unfit = state.unfit or not layer_call.fits
            state.computed_in(call.dtypes)
        if not layer_call.fits or call.num_examples == 0:
            return
        alone = all(
            s.outstanding == 1 and s.per_example is None for s in states.values()
        )
        reduce = self._reduce_single if alone else self._reduce_repeated
        try:
            reduce(layer_call.layer, call, states)
        except UnsupportedLayerError:  # the whole model may still do
            for state in states.values():
                state.unfit = True

    def _reduce_single(
        self, layer: Layer, call: ModuleCall, states: dict[str, SquareAccumulator]
    ) -> None:
        x = call.args[0]
        verify = any(state.verify for state in states.values())
        if layer.rule is LINEAR and x.ndim == 2 and not verify:
            squares = linear_squares(*promoted(x, call.gradients[0]))
            for name, state in states.items():
                state.add_squares(squares[name])
        else:
            for part in layer_contributions(layer, call, list(states)):
                for name, state in states.items():
                    state.add(part[name])
        for state in states.values():
            state.num_examples += call.num_examples
            state.flush()

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
                state.flush()

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
        call = ModuleCall.of(args, kwargs, outputs)
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
            state.flush()
        gradients = {
            name: parameter.grad
            for name, parameter in self.capture.parameters.items()
            if parameter.grad is not None
        }
        # Calls without a backward pass gave nothing.
        groups = [[c for c in group if c.gradients] for group in self.model_calls]
        groups = [group for group in groups if group]
        num_examples = self._num_examples(gradients, groups)
        if groups and num_examples == 0:
            return
        self._look_for_examples(set(gradients) - self.capture.verified, groups)
        missing = [
            n for n, g in gradients.items() if not self._agrees(n, g, num_examples)
        ]
        self._run_whole_model(missing, num_examples, gradients, groups)
        sums = {name: self.state[name].total for name in gradients}
        self.capture.verified |= {
            name
            for name in gradients
            if name not in self.capture.verified and self.state[name].proven()
        }
        self.squares = Squares(
            {k: v for k, v in sums.items() if v is not None}, num_examples
        )
        self.state, self.model_calls = {}, []  # hooks in a kept graph still see self

    def _look_for_examples(
        self, names: set[str], groups: list[list[ModuleCall]]
    ) -> None:
        """Mark layers of the new names that do not see the examples first."""
        new = (names - self.capture.whole_model) & self.state.keys()
        layers = [
            layer for layer in self.capture.layers if new & set(layer.names.values())
        ]
        if layers and groups:
            model, call = self.capture.model, groups[-1][0]
            for name in names_without_examples(model, layers, call) & new:
                self.state[name].unfit = True

    def _num_examples(
        self, gradients: Mapping[str, Tensor], groups: list[list[ModuleCall]]
    ) -> int:
        if groups:
            return sum(group[0].num_examples for group in groups)
        counts = {self.state[n].num_examples for n in gradients if n in self.state}
        return max(counts, default=0)

    def _agrees(self, name: str, gradient: Tensor, num_examples: int) -> bool:
        """Whether a parameter's own layer gave its squares."""
        state = self.state.get(name)
        if state is None or state.total is None or state.unfit:
            return False
        if name in self.capture.whole_model or state.num_examples != num_examples:
            return False
        return state.summed is None or self._explains(state, gradient, num_examples)

    def _explains(
        self, state: SquareAccumulator, gradient: Tensor, num_examples: int
    ) -> bool:
        """Whether contributions and gradient differ by rounding, of any parameter."""
        if state.agrees_with(gradient, num_examples):
            return True
        states = [s for s in self.state.values() if s.total is not None]
        largest = max(float(s.scale(num_examples)) for s in states)
        return state.agrees_with(gradient, num_examples, largest)

    def _run_whole_model(
        self,
        names: list[str],
        num_examples: int,
        gradients: Mapping[str, Tensor],
        groups: list[list[ModuleCall]],
    ) -> None:
        if not names:
            return
        if not groups:
            raise UnsupportedLayerError(
                f"per-example gradients of {listed(names)} must come from a call of "
                "the whole model, got none: call the model that the optimizer was "
                "given, with the examples in the first dimension."
            )
        for name in names:
            self.state[name] = SquareAccumulator()
        for group in groups:
            self._add_group(names, group)
        for name in names:
            state = self.state[name]
            state.num_examples = num_examples
            if not self._explains(state, gradients[name], num_examples):
                raise _inexact(name)
        self._announce(names)

    def _add_group(self, names: list[str], group: list[ModuleCall]) -> None:
        model = self.capture.model
        sizes = {call.num_examples for call in group}
        if len(sizes) > 1:
            raise UnsupportedLayerError(
                f"per-example gradients of {listed(names)} must come from calls of "
                "the model on the same examples, or with a backward pass in between, "
                f"got calls on {' and '.join(map(str, sorted(sizes)))} examples."
            )
        for name in names:
            self.state[name].computed_in(
                set[torch.dtype]().union(*(c.dtypes for c in group))
            )
        if len(group) == 1:
            for part in functional.contribution_chunks(model, names, group[0]):
                for name in names:
                    self.state[name].add(part[name])
            return
        for call in group:
            parts = list(functional.contribution_chunks(model, names, call))
            for name in names:
                new = torch.cat([part[name] for part in parts])
                old = self.state[name].per_example
                self.state[name].per_example = new if old is None else old + new
        for name in names:
            self.state[name].flush()

    def _announce(self, names: list[str]) -> None:
        new = [name for name in names if name not in self.capture.whole_model]
        owned = {n for layer in self.capture.layers for n in layer.names.values()}
        surprising = [name for name in new if name in owned]
        self.capture.whole_model.update(new)
        if surprising:
            warnings.warn(
                f"The squared gradients of {listed(surprising)} need a second run of "
                "the whole model: exact, but slower. The layer does not see the "
                "examples in its first dimension, or its weights are used elsewhere.",
                stacklevel=2,
            )


def _inexact(name: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"per-example gradients of {name} must add up to its gradient, but do not: the "
        "model mixes examples (BatchNorm in train mode?), draws random numbers, or "
        "changes its state, or the loss has a term that is no example's (a penalty on "
        "the weights?). Use a layer that treats examples alone, or freeze it."
    )
