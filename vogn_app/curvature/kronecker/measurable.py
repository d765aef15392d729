"""Which layers can have curvature, and which a model must not have."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import nn
from torch.nn.parameter import is_lazy

from ..functional import listed
from ..layers import Layer


def check_initialised(parameters: Mapping[str, nn.Parameter]) -> None:
    """Raise ValueError if parameters, by name, wait for a forward pass."""
    lazy = [name for name, parameter in parameters.items() if is_lazy(parameter)]
    if lazy:
        raise ValueError(
            "the model's lazy layers must be initialised by one forward pass first, "
            f"got {listed(lazy)} without a shape."
        )


def measurable(layers: Iterable[Layer], names: Mapping[nn.Module, str]) -> list[Layer]:
    """Layers whose parameters can have curvature.

    Args:
        layers: All of the model.
        names: Of their modules.

    Returns:
        Layers without the parameters that they share with one whose gradients cannot
        be had; those that have none left are left out.

    Raises:
        ValueError: If the gradient of a layer is sparse.
    """
    every = list(layers)
    for layer in every:
        _check_dense(layer.module, names[layer.module])
    lost = {n for each in every if not _can_run(each) for n in each.names.values()}
    kept = [
        replace(each, names={k: n for k, n in each.names.items() if n not in lost})
        for each in every
    ]
    return [layer for layer in kept if layer.names]


def _check_dense(module: nn.Module, name: str) -> None:
    if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
        raise ValueError(
            f"sparse must be False in {type(module).__name__} layers, got True in "
            f"{name!r}."
        )


def _can_run(layer: Layer) -> bool:
    """Whether its gradients can be had.

    A second run would draw another dropout, and how often the whole batch looks up a
    row is no example's.
    """
    module = layer.module
    if isinstance(module, nn.RNNBase):
        return not (module.dropout and module.num_layers > 1)
    tables = nn.Embedding | nn.EmbeddingBag
    return not (isinstance(module, tables) and module.scale_grad_by_freq)
