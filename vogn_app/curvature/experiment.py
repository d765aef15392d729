"""What one more example changes: who sees the examples, and whether they are mixed.

Sizes may agree by chance: positions as many as examples, say. So the model is run
forward once more with its first example repeated at the end. What then has not one row
more does not hold the examples, and where the outputs of the others change, the model
mixes examples.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from .accumulator import AGREEMENT, REDUCED_AGREEMENT
from .functional import ModuleCall
from .layers import Layer


@dataclass
class OneMore:
    """Result of the run.

    Args:
        output: The model's output; None if it cannot run on one example more.
        blind: Names of parameters whose layer does not see the examples.
        random: Whether the model drew random numbers.
        mixes: Whether other examples' outputs changed; None if that cannot be told.
    """

    output: Any = None
    blind: set[str] = field(default_factory=set)
    random: bool = False
    mixes: bool | None = None


def run_one_more(model: nn.Module, layers: list[Layer], call: ModuleCall) -> OneMore:
    """Run the model forward on one example more.

    Args:
        model: The model.
        layers: Layers to look at.
        call: A call of the model.

    Returns:
        What was seen; nothing if the model cannot run on one example more.
    """
    result = OneMore()

    def look(
        layer: Layer,
        module: nn.Module,  # noqa: ARG001
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if not _sees_examples(layer.module, call.num_examples + 1, args, kwargs):
            result.blind.update(layer.names.values())

    hooks = [
        layer.module.register_forward_pre_hook(partial(look, layer), with_kwargs=True)
        for layer in layers
    ]
    try:
        result.output, result.random = _grown(model, call)
    except Exception:
        return OneMore()
    finally:
        for hook in hooks:
            hook.remove()
    if not result.random:
        result.mixes = _changed(call, result.output)
    return result


def _grown(model: nn.Module, call: ModuleCall) -> tuple[Any, bool]:
    """Output on one example more, and whether random numbers were drawn."""

    def grow(leaf: Any) -> Any:
        return torch.cat([leaf, leaf[:1]]) if call.has_examples(leaf) else leaf

    args, kwargs = pytree.tree_map(grow, (call.args, call.kwargs))
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


def _sees_examples(
    module: nn.Module, num_examples: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """Whether the input of a call has that many examples where they belong."""
    if args and isinstance(args[0], nn.utils.rnn.PackedSequence):
        return int(args[0].batch_sizes[0]) == num_examples
    x = next((v for v in (*args, *kwargs.values()) if isinstance(v, Tensor)), None)
    sequential = isinstance(module, nn.MultiheadAttention | nn.RNNBase)
    dimension = 1 if sequential and not module.batch_first else 0
    return x is not None and x.ndim > dimension and x.shape[dimension] == num_examples


def _changed(call: ModuleCall, output: Any) -> bool | None:
    """Whether the first examples' outputs are others than they were."""
    leaves = pytree.tree_leaves(output)
    compared = None
    for position, old in call.outputs.items():
        new = leaves[position].detach()
        grown = new.ndim > 0 and len(new) == call.num_examples + 1
        if not grown or old._version != call.versions[position]:
            continue
        lowered = {old.dtype} if call.autocast is None else {old.dtype, call.autocast}
        tolerance = max(AGREEMENT.get(dtype, REDUCED_AGREEMENT) for dtype in lowered)
        error = (new[: call.num_examples] - old).double().norm()
        compared = bool(compared) or bool(error > tolerance * old.double().norm())
    return compared
