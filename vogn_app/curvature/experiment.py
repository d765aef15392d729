"""What another number of examples changes: where the examples are, who mixes them.

Sizes may agree by chance: positions as many as examples, say. So the model is run
forward once more on a few of its examples. A dimension that has their number then, and
that of the batch otherwise, is theirs; and where their outputs change, the model mixes
the examples of a batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from .accumulator import AGREEMENT, REDUCED_AGREEMENT
from .functional import ModuleCall, output_leaves
from .layers import Layer


@dataclass
class Findings:
    """Result of the run.

    Args:
        num_examples: Examples in it.
        output: The model's output; None if it cannot run on so many examples.
        dimensions: By layer the dimension of its input that has the examples; None for
            layers that do not see them.
        mixes: Whether the outputs changed; None if that cannot be told.
    """

    num_examples: int
    output: Any = None
    dimensions: dict[nn.Module, int | None] = field(default_factory=dict)
    mixes: bool | None = None


def run_on_few(
    model: nn.Module,
    layers: list[Layer],
    call: ModuleCall,
    shapes: Mapping[nn.Module, torch.Size],
) -> Findings:
    """Run the model forward on two of its examples; of two, on three.

    Args:
        model: The model.
        layers: Layers to look at.
        call: A call of the model, on more than one example.
        shapes: Shape that the layers' first input had in this call.

    Returns:
        What was seen; nothing if the model cannot run on so many examples.
    """
    few = 3 if call.num_examples == 2 else 2
    found = Findings(few)

    def look(
        layer: Layer,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        had = shapes.get(module, torch.Size())
        had_them = {d for d, size in enumerate(had) if size == call.num_examples}
        seen = _dimension(layer, few, had_them, args, kwargs)
        if found.dimensions.setdefault(module, seen) != seen:
            found.dimensions[module] = None

    hooks = [
        layer.module.register_forward_pre_hook(partial(look, layer), with_kwargs=True)
        for layer in layers
    ]
    try:
        output, random = _output_of_few(model, call, few)
    except Exception:
        return Findings(few)
    finally:
        for hook in hooks:
            hook.remove()
    found.output = output
    found.mixes = None if random else _changed(call, output, few)
    return found


def _output_of_few(model: nn.Module, call: ModuleCall, few: int) -> tuple[Any, bool]:
    """Output on a few examples, and whether random numbers were drawn."""

    def resized(leaf: Any) -> Any:
        if not call.has_examples(leaf):
            return leaf
        return leaf[torch.arange(few, device=leaf.device) % call.num_examples]

    args, kwargs = pytree.tree_map(resized, (call.args, call.kwargs))
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    device = next(iter(call.outputs.values())).device
    devices = [] if device.type == "cpu" else [device]
    kind = "cuda" if device.type == "cpu" else device.type  # what fork_rng expects
    with call.again(), torch.random.fork_rng(devices, device_type=kind):
        before = _generator_states(device)
        output = functional_call(model, buffers, args, kwargs)
        after = _generator_states(device)
    drew = any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    return output, drew


def _generator_states(device: torch.device) -> list[Tensor]:
    own = [torch.get_rng_state()]
    if device.type != "cpu":
        own.append(torch.get_device_module(device).get_rng_state(device))
    return own


def _dimension(
    layer: Layer,
    num_examples: int,
    had_them: set[int],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> int | None:
    """The dimension of a layer's input that has so many examples, and had all."""
    module = layer.module
    if args and isinstance(args[0], nn.utils.rnn.PackedSequence):
        return 0 if int(args[0].batch_sizes[0]) == num_examples else None
    x = next((v for v in (*args, *kwargs.values()) if isinstance(v, Tensor)), None)
    if x is None:
        return None
    if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
        own = 0 if module.batch_first else 1  # the layer itself says where
        return 0 if x.ndim == 3 and x.shape[own] == num_examples else None
    allowed = {0, 1} if layer.takes_sequences_first else {0}
    found = {d for d in allowed & had_them if x.shape[d] == num_examples}
    return min(found, default=None)


def _changed(call: ModuleCall, output: Any, few: int) -> bool | None:
    """Whether the examples' outputs are others than they were."""
    leaves = output_leaves(output)
    common, compared = min(few, call.num_examples), None
    for position, old in call.outputs.items():
        new = leaves[position].detach()
        resized = new.ndim > 0 and len(new) == few
        if not resized or old._version != call.versions[position]:
            continue
        lowered = {old.dtype} if call.autocast is None else {old.dtype, call.autocast}
        tolerance = max(AGREEMENT.get(dtype, REDUCED_AGREEMENT) for dtype in lowered)
        before = old[:common].double()
        error = (new[:common].double() - before).norm()
        compared = bool(compared) or bool(error > tolerance * before.norm())
    return compared
