"""A posterior's tensors and those of a model: by name, without wrappers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

COMPILED = "_orig_mod"  # under which torch.compile keeps the module it wraps
LISTED = 3  # names in a message


def unwrap(model: nn.Module) -> nn.Module:
    """The module within DistributedDataParallel, DataParallel and torch.compile."""
    while True:
        if isinstance(model, DistributedDataParallel | DataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, COMPILED, None), nn.Module):
            model = inner
        else:
            return model


def parameters_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters by plain name; a tied one once, under its first name."""
    return {plain_name(name): p for name, p in unwrap(model).named_parameters()}


def buffers_of(model: nn.Module) -> dict[str, Tensor]:
    """Persistent buffers by plain name, those that `state_dict` has."""
    inner = unwrap(model)
    kept = inner.state_dict().keys()
    return {plain_name(n): b for n, b in inner.named_buffers() if n in kept}


def plain_name(name: str) -> str:
    """A name without the marks of compiled submodules."""
    return ".".join(part for part in name.split(".") if part != COMPILED)


def plain_names(model: nn.Module) -> dict[str, str]:
    """Plain names by the names that the model, wrapped as it is, gives them."""
    plain = {id(tensor): name for name, tensor in parameters_of(model).items()}
    return {name: plain[id(p)] for name, p in model.named_parameters()}


def plain_buffer_names(model: nn.Module) -> dict[str, str]:
    """The same of persistent buffers."""
    plain = {id(tensor): name for name, tensor in buffers_of(model).items()}
    named = model.named_buffers()
    return {name: plain[id(buffer)] for name, buffer in named if id(buffer) in plain}


def copies_of(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Copies of all that a model holds, on the device of its first parameter.

    Args:
        model: The model, wrapped or not.

    Returns:
        Parameters and persistent buffers by plain name.
    """
    parameters, buffers = parameters_of(model), buffers_of(model)
    device = next((p.device for p in parameters.values()), None)
    return _copied(parameters, device), _copied(buffers, device)


def _copied(
    tensors: Mapping[str, Tensor], device: torch.device | None
) -> dict[str, Tensor]:
    return {n: tensor.detach().to(device, copy=True) for n, tensor in tensors.items()}


def check_model(
    model: nn.Module, mean: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
) -> None:
    """Check that a model has exactly the tensors of a posterior.

    Args:
        model: The model, wrapped or not.
        mean: The posterior's means.
        buffers: The posterior's buffers.

    Raises:
        ValueError: If names are missing or unexpected, or shapes differ; names a few.
    """
    _check_tensors("parameters", parameters_of(model), mean)
    _check_tensors("persistent buffers", buffers_of(model), buffers)


def _check_tensors(
    kind: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> None:
    missing = [name for name in theirs if name not in ours]
    unexpected = [name for name in ours if name not in theirs]
    if missing or unexpected:
        told = [
            f"{word} {listed(names)}"
            for word, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise ValueError(
            f"model must have the {kind} of the posterior, got {'; '.join(told)}."
        )
    shapes = [
        f"{name} of shape {tuple(ours[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in theirs.items()
        if ours[name].shape != tensor.shape
    ]
    if shapes:
        raise ValueError(
            f"model must have the shapes of the posterior, got {listed(shapes)}."
        )


def listed(names: list[str]) -> str:
    """Names for a message, of many the first few."""
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def check_same(
    kind: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> None:
    """Check that two components of a mixture are of one architecture.

    Args:
        kind: What the tensors are, for messages.
        ours: Of one.
        theirs: Of the other.

    Raises:
        ValueError: If names, shapes, types or devices differ; names a few.
    """
    different = sorted(ours.keys() ^ theirs.keys()) or [
        name for name in ours if _look(ours[name]) != _look(theirs[name])
    ]
    if different:
        raise ValueError(
            f"components must have the same {kind} in shape, type and device, got a "
            f"difference in {listed(different)}."
        )


def _look(tensor: Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
    return tensor.shape, tensor.dtype, tensor.device


def with_own(
    kind: str,
    own: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    names: Mapping[str, str],
) -> dict[str, Tensor]:
    """A model's tensors, some of them replaced by copies of others.

    Args:
        kind: What the tensors are, for messages.
        own: The model's by plain name, in their order.
        given: Others by the model's names; cast to the types and device of its own.
        names: Plain names by the model's; those that are not there are taken as plain.

    Returns:
        New dict by plain name, in the order of `own`.

    Raises:
        ValueError: If a name is unknown or a shape differs.
    """
    plain = {names.get(name, plain_name(name)): each for name, each in given.items()}
    if unknown := [name for name in plain if name not in own]:
        raise ValueError(f"points must name {kind} of model, got {listed(unknown)}.")
    if wrong := [n for n, each in plain.items() if each.shape != own[n].shape]:
        raise ValueError(
            f"points must have the shapes of model's {kind}, got a difference in "
            f"{listed(wrong)}."
        )
    copies = {n: each.detach().to(own[n], copy=True) for n, each in plain.items()}
    return {name: copies.get(name, tensor) for name, tensor in own.items()}


@torch.no_grad()
def put(
    model: nn.Module, values: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
) -> None:
    """Copy values and buffers into a model that `check_model` has accepted.

    In place, in the model's own types and devices: compiled graphs, optimizers and
    recurrent layers of cuDNN hold on to the tensors.
    """
    targets = (parameters_of(model), buffers_of(model))
    for ours, theirs in zip(targets, (values, buffers), strict=True):
        for name, tensor in ours.items():
            tensor.copy_(theirs[name])


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Put parameters and persistent buffers back, bit for bit, after the block."""
    values = {n: p.detach().clone() for n, p in parameters_of(model).items()}
    buffers = {n: b.detach().clone() for n, b in buffers_of(model).items()}
    try:
        yield
    finally:
        put(model, values, buffers)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for the block; afterwards each module is in the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
