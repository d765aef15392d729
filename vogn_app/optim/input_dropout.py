"""Dropout on the inputs of dense layers, put in front of them by hooks."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.utils.hooks import RemovableHandle

from ..posterior.matching import listed, plain_name, unwrap

INPUT = "input"  # what nn.Linear calls it


class InputDropout:
    """A forward pre-hook: dropout on a module's input while it is in train mode.

    Whoever has installed it switches it off and takes it away. A copy is switched off:
    a copied module is trained by an optimizer of its own, or by none.

    Args:
        rate: Share of the inputs that are dropped, in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.active = True

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Drop elements of the layer's input, by place or by name.

        Args:
            module: The layer.
            args: What it is called with.
            kwargs: What it is called with, by name.

        Returns:
            Both anew; None, which changes nothing, if off or without an input.
        """
        if not (self.active and module.training):
            return None
        if args:
            return (self._dropped(args[0]), *args[1:]), kwargs
        if INPUT not in kwargs:
            return None
        return args, {**kwargs, INPUT: self._dropped(kwargs[INPUT])}

    def _dropped(self, inputs: Tensor) -> Tensor:
        return F.dropout(inputs, self.rate, training=True)

    def __getstate__(self) -> dict[str, Any]:
        return {"rate": self.rate, "active": False}


class InstalledDropout:
    """Dropout in front of some layers, until it is removed.

    Args:
        layers: The layers, each with its rate. It takes the place of what is there.
    """

    def __init__(self, layers: Iterable[tuple[nn.Linear, float]]) -> None:
        self._handles: list[RemovableHandle] = []
        self._hooks: list[InputDropout] = []
        for layer, rate in layers:
            clear(layer)
            self._hooks.append(InputDropout(rate))
            self._handles.append(
                layer.register_forward_pre_hook(self._hooks[-1], with_kwargs=True)
            )

    @property
    def active(self) -> bool:
        """Whether it is there, and nobody has put other dropout in its place."""
        return all(hook.active for hook in self._hooks) and bool(self._handles)

    def remove(self) -> None:
        """Take it away; again, nothing happens."""
        for hook, handle in zip(self._hooks, self._handles, strict=True):
            hook.active = False  # compiled graphs may hold on to it
            handle.remove()
        self._hooks, self._handles = [], []


def clear(layer: nn.Linear) -> None:
    """Take all dropout in front of a layer away, whoever put it there.

    Args:
        layer: The layer. One that was copied has hooks of the original's, which are
            off, and to which it has no handle.
    """
    for key, hook in list(layer._forward_pre_hooks.items()):
        if isinstance(hook, InputDropout):
            hook.active = False  # whoever put it there asks
            del layer._forward_pre_hooks[key]
            layer._forward_pre_hooks_with_kwargs.pop(key, None)


def dense_layers(
    model: nn.Module, patterns: Iterable[str] | None
) -> dict[str, nn.Linear]:
    """The dense layers of a model whose inputs are to be dropped, by plain name.

    Args:
        model: The network, wrapped or not.
        patterns: Names or shell patterns of layers; None for all but the first, which
            sees the raw input or what the layers before it make of it, or for the only
            one.

    Returns:
        Layers in the model's order. Those whose input or weight others see as well are
        not among them: projections of `nn.MultiheadAttention`, tied weights.

    Raises:
        ValueError: If there are none, or a pattern fits none.
    """
    known = _candidates(unwrap(model))
    if not known:
        raise ValueError(
            "model must have an nn.Linear whose weight is its own, for dropout on its "
            "input, got none."
        )
    if patterns is None:
        return dict(list(known.items())[1:] or known)
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    unused = [p for p in patterns if not any(fnmatchcase(n, p) for n in known)]
    if unused or not patterns:
        raise ValueError(
            "layers must be names or shell patterns of dense layers (such as "
            f"{listed(list(known))}), got {listed(unused) or 'none'}."
        )
    return {n: m for n, m in known.items() if any(fnmatchcase(n, p) for p in patterns)}


def _candidates(model: nn.Module) -> dict[str, nn.Linear]:
    within = {
        id(module)
        for attention in model.modules()
        if isinstance(attention, nn.MultiheadAttention)
        for module in attention.modules()  # it reads their weights, and calls none
    }
    owners = _owners(model)
    return {
        plain_name(name): module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and id(module) not in within
        and owners.get(id(module.weight)) == 1
    }


def _owners(model: nn.Module) -> Mapping[int, int]:
    """How many modules have each parameter as their own."""
    counts: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            counts[id(parameter)] = counts.get(id(parameter), 0) + 1
    return counts
