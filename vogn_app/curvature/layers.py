"""Which module owns which parameter, and the rule by which it gives contributions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from . import functional
from .functional import ModuleCall
from .per_example import Contributions, LayerRule, contribution_chunks, rule_for


@dataclass(frozen=True)
class Layer:
    """A module that owns parameters, the rule for it, and their names."""

    module: nn.Module
    rule: LayerRule | None
    names: dict[str, str]  # local name -> name in the model


def find_layers(
    model: nn.Module, parameters: Mapping[str, nn.Parameter]
) -> list[Layer]:
    """The modules whose calls give squares.

    Args:
        model: The model.
        parameters: Parameters wanted, by their name in the model.

    Returns:
        Modules with a rule, and others without children or derived from BatchNorm;
        composite modules that own parameters are left to the whole-model run.
    """
    names_by_id = {id(parameter): name for name, parameter in parameters.items()}
    attention = [m for m in model.modules() if isinstance(m, nn.MultiheadAttention)]
    # Attention uses the weights of its projection without calling the module.
    uncalled = {child for module in attention for child in module.children()}
    layers = []
    for module in model.modules():
        if module in uncalled:
            continue
        own = module.named_parameters(recurse=False)
        names = {k: names_by_id[id(p)] for k, p in own if id(p) in names_by_id}
        rule = rule_for(module)
        whole = next(module.children(), None) is None or isinstance(module, _BatchNorm)
        if names and (rule is not None or whole):
            layers.append(Layer(module, rule, names))
    return layers


def names_without_examples(
    model: nn.Module, layers: list[Layer], call: ModuleCall
) -> set[str]:
    """Parameters of layers whose first dimension is not the examples, by experiment.

    Sizes may agree by chance: positions as many as examples, say. So the model is run
    forward once more with its first example repeated at the end; a layer whose input
    then does not have one row more sees something else.

    Args:
        model: The model.
        layers: Its layers with parameters.
        call: A call of the model.

    Returns:
        Names in the model; empty if the model cannot run on one example more.
    """

    def grow(leaf: Any) -> Any:
        return torch.cat([leaf, leaf[:1]]) if call.has_examples(leaf) else leaf

    def look(
        layer: Layer,
        module: nn.Module,  # noqa: ARG001
        args: tuple[Any, ...],
    ) -> None:
        x = args[0] if args else None
        if not (isinstance(x, Tensor) and x.shape[:1] == (call.num_examples + 1,)):
            found.update(layer.names.values())

    found: set[str] = set()
    args, kwargs = pytree.tree_map(grow, (call.args, call.kwargs))
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    device = next(iter(call.outputs.values())).device
    devices = [] if device.type == "cpu" else [device]
    kind = "cuda" if device.type == "cpu" else device.type  # what fork_rng expects
    hooks = [
        layer.module.register_forward_pre_hook(partial(look, layer)) for layer in layers
    ]
    try:
        with (
            torch.no_grad(),
            call.again(),
            torch.random.fork_rng(devices, device_type=kind),
        ):
            functional_call(model, buffers, args, kwargs)
    except Exception:
        return set()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def layer_contributions(
    layer: Layer, call: ModuleCall, names: list[str]
) -> Iterator[Contributions]:
    """Per-example gradients of one call of a layer, some examples at a time.

    Args:
        layer: The layer.
        call: Its call, with the gradient of its output.
        names: Local names of the parameters wanted.

    Returns:
        Contributions `[n, *shape]` of consecutive examples.
    """
    if layer.rule is None:
        if isinstance(layer.module, _BatchNorm) and layer.module.training:
            return _with_fixed_statistics(layer.module, names, call)
        return functional.contribution_chunks(layer.module, names, call)
    x, g = promoted(call.args[0], call.gradients[0])
    return contribution_chunks(layer.rule, layer.module, x, g)


def _with_fixed_statistics(
    module: _BatchNorm, names: list[str], call: ModuleCall
) -> Iterator[Contributions]:
    """Re-run a layer derived from BatchNorm with the batch's statistics as constants.

    In eval mode and with these as the running ones it treats examples alone.

    Args:
        module: The layer, in train mode.
        names: Local names of the parameters wanted.
        call: Its call, with the gradient of its output.

    Yields:
        Contributions `[n, *shape]` of consecutive examples.
    """
    x, _ = promoted(call.args[0], call.args[0])
    axes = (0, *range(2, x.ndim))
    kept = module.running_mean, module.running_var
    module.running_mean, module.running_var = x.mean(axes), x.var(axes, correction=0)
    module.training = False
    try:
        yield from functional.contribution_chunks(module, names, call)
    finally:
        module.running_mean, module.running_var = kept
        module.training = True


def promoted(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one type of at least float32: squares of half precisions overflow."""
    dtype = torch.promote_types(torch.promote_types(x.dtype, g.dtype), torch.float32)
    return x.detach().to(dtype), g.to(dtype)
