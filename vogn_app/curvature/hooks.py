"""What a layer does within a recording, in place of or after its own forward."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge, register_multi_grad_hook
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.utils import _pytree as pytree

from ..errors import UnsupportedLayerError
from .attention import attention_with, is_part_of, rows_of
from .evidence import Evidence, RerunEvidence, full_precision
from .functional import ModuleCall, output_tensors
from .layers import Layer
from .rules import LayerRule
from .rules.linear import LINEAR
from .uses import LayerUse, purpose_of, run_recorded

if TYPE_CHECKING:
    from .recording import Recording

ROWS = ".."  # between a parameter's name and its rows: no name has two dots in a row


class LayerHooks:
    """The hooks of one layer.

    Args:
        recording: Gets the squares.
        layer: The layer.
    """

    def __init__(self, recording: "Recording", layer: Layer) -> None:
        self.recording, self.layer = recording, layer
        self.forward = partial(type(layer.module).forward, layer.module)
        capture = recording.capture
        self.parameters = {
            local: (name, capture.parameters[name])
            for local, name in layer.names.items()
            if name not in capture.elsewhere
        }

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watch the layer within the context."""
        module = self.layer.module
        known = self.layer.rule is not None or self.layer.is_attention
        if known and "forward" in vars(module):  # came later, and may do anything
            yield
            return
        # A call that has begun no longer looks for another forward.
        begun = module is self.recording.called
        if begun or not self.layer.runs_recorded:
            # Before others, which may change the output.
            handle = module.register_forward_hook(
                self._after, with_kwargs=True, prepend=True
            )
            try:
                yield
            finally:
                handle.remove()
            return
        attention = self.layer.is_attention
        vars(module)["forward"] = self._run_attention if attention else self._run
        try:
            yield
        finally:
            del vars(module)["forward"]

    def _wanted(self) -> dict[str, str]:
        """Parameters to be recorded in a call that begins."""
        if not self.recording.active or torch._C._are_functorch_transforms_active():
            return {}
        # `functional_call` puts other tensors in their place.
        present = self.layer.module._parameters
        return {
            local: name
            for local, (name, parameter) in self.parameters.items()
            if parameter.requires_grad and present.get(local, parameter) is parameter
        }

    def _note_shape(self, x: Any) -> None:
        if isinstance(x, Tensor):
            self.recording.shapes.setdefault(self.layer.module, x.shape)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """In place of the forward of a layer whose backward is to be recorded."""
        module, rule, forward = self.layer.module, self.layer.rule, self.forward
        if not args and "input" in kwargs:
            args = (kwargs.pop("input"),)
        assert rule is not None
        x, names = args[0] if args else None, self._wanted()
        if not names or not isinstance(x, Tensor) or not _has_examples(rule, module, x):
            return forward(*args, **kwargs)
        if not module._parameters["weight"].requires_grad:  # type: ignore[union-attr]
            output = forward(*args, **kwargs)
            self._after(module, args, kwargs, output)
            return output
        use = self.recording.open(names, module)
        if use is None:
            return forward(*args, **kwargs)
        self._note_shape(x)
        run = lambda x: forward(x, *args[1:], **kwargs)  # noqa: E731
        return run_recorded(use, rule, module, run, args[0])

    def _run_attention(self, *args: Any, **kwargs: Any) -> Any:
        """In place of the forward of attention."""
        module, names = self.layer.module, self._wanted()
        assert isinstance(module, nn.MultiheadAttention)
        query = args[0] if args else kwargs.get("query")
        batched = isinstance(query, Tensor) and query.ndim == 3 and query.numel() > 0
        if not (names and batched and torch.is_grad_enabled()):
            return nn.MultiheadAttention.forward(module, *args, **kwargs)
        self._note_shape(query)
        return attention_with(partial(self._project, names), module, *args, **kwargs)

    def _project(
        self, names: dict[str, str], x: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        keys = {
            local: key
            for local, part in (("weight", weight), ("bias", bias))
            if part is not None and (key := self._key_of(names, part))
        }
        use = self.recording.open(keys, self.layer.module) if keys else None
        run = partial(F.linear, weight=weight, bias=bias)
        if use is None:
            return run(x)
        return run_recorded(use, LINEAR, Projection(weight, bias), run, x)

    def _key_of(self, names: dict[str, str], part: Tensor) -> str | None:
        """Name of a parameter, with the rows of it that a projection uses."""
        for name in names.values():
            parameter = self.recording.capture.parameters[name]
            if is_part_of(part, parameter):
                start, stop = rows_of(part, parameter)
                whole = stop - start == len(parameter)
                return name if whole else f"{name}{ROWS}{start}:{stop}"
        return None

    def _after(
        self,
        module: nn.Module,  # noqa: ARG002
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,
    ) -> None:
        """After the forward of any other layer."""
        names, outputs = self._wanted(), output_tensors(output)
        use = self.recording.open(names, self.layer.module) if names else None
        if use is None or not outputs:
            return
        inputs = pytree.tree_leaves((args, kwargs))
        self._note_shape(next((x for x in inputs if isinstance(x, Tensor)), None))
        call = ModuleCall.of(args, kwargs, outputs)
        reduce = partial(self._reduce, use, [call], self.layer.module.training)
        if len(outputs) == 1:
            ((position, tensor),) = outputs.items()
            tensor.register_hook(lambda gradient: reduce({position: gradient}))
            return
        positions = list(outputs)  # the tensors themselves would keep their graph
        handle = register_multi_grad_hook(
            list(outputs.values()),
            lambda gradients: reduce(dict(zip(positions, gradients, strict=True))),
        )
        self.recording.handles.append(handle)

    def _reduce(
        self,
        use: LayerUse,
        holder: list[ModuleCall],
        training: bool,
        gradients: Mapping[int, Tensor | None],
    ) -> None:
        if not self.recording.active:
            return
        first = self.recording.capture.parameters[next(iter(use.names.values()))]
        if not self.recording.records(purpose_of([get_gradient_edge(first).node])):
            return
        use.check_first()
        call = holder.pop()  # frees the activations
        call.gradients.update({k: g for k, g in gradients.items() if g is not None})
        with torch.no_grad(), full_precision(next(iter(call.outputs.values()))):
            # In another mode the layer no longer says what it computed.
            same_mode = training == self.layer.module.training
            evidence = self._evidence(call) if same_mode else None
            try:
                if evidence is None:
                    self.recording.mark_unfit(use)
                else:
                    self.recording.take(use, evidence)
            except UnsupportedLayerError:  # the whole model may still do
                self.recording.mark_unfit(use)

    def _evidence(self, call: ModuleCall) -> Evidence | RerunEvidence | None:
        """What a call of the layer says; None if it does not see examples."""
        module, rule = self.layer.module, self.layer.rule
        at = self.recording.capture.examples_at.get(module, 0)
        if at is None:
            return None
        if rule is None:
            num, again = self.layer.num_examples(call), self.layer.chunks_of
            return None if num is None else RerunEvidence(module, call, again, num)
        x = next(iter(pytree.tree_leaves((call.args, call.kwargs))), None)
        gradient = next(iter(call.gradients.values()))
        if not isinstance(x, Tensor) or x.shape[:1] != gradient.shape[:1]:
            return None
        if not _has_examples(rule, module, x):
            return None
        return Evidence.of(rule, module, x, gradient, at)


def _has_examples(rule: LayerRule, module: nn.Module, x: Tensor) -> bool:
    return x.ndim > 0 and len(x) > 0 and rule.accepts(module, x)


def split_rows(key: str) -> tuple[str, tuple[int, int] | None]:
    """Name of a parameter, and the rows of it that a key is about; None for all."""
    name, _, rows = key.partition(ROWS)
    if not rows:
        return name, None
    start, stop = rows.split(":")
    return name, (int(start), int(stop))


class Projection(nn.Linear):
    """Weights that are used as those of a linear layer, be they views of parameters."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        parameters: dict[str, Any] = self._parameters
        parameters.update(weight=weight, bias=bias)
