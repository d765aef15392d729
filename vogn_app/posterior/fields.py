"""Checks of a posterior's fields."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from .._checks import check_number
from .matching import listed


def check_fields(
    mean: dict[str, Tensor],
    precision: dict[str, Tensor],
    buffers: dict[str, Tensor],
    prior_precision: dict[str, float],
    metadata: dict[str, Any],
) -> None:
    """Check what `GaussianPosterior` is built from; its docstring has the conditions.

    Raises:
        ValueError: If a field is not as documented; the message names it.
    """
    check_tensors({"mean": mean, "precision": precision, "buffers": buffers})
    check_names("precision", precision, mean, "parameters of mean")
    for name, tensor in precision.items():
        check_like("precision", name, mean[name], tensor)
        positive = tensor.isfinite() & (tensor > 0)
        check_all("precision", "finite and > 0", name, tensor, positive)
    check_prior(precision.keys(), prior_precision, "precision")
    check_metadata(metadata)


def check_tensors(fields: Mapping[str, dict[str, Tensor]]) -> None:
    """Check fields that are tensors by name.

    Args:
        fields: "mean" and others, by their names.

    Raises:
        ValueError: If one is something else, there is no mean, or devices differ.
    """
    for name, tensors in fields.items():
        _check_dict(name, tensors)
    if not fields["mean"]:
        raise ValueError("mean must have at least one parameter, got none.")
    devices = {str(t.device) for tensors in fields.values() for t in tensors.values()}
    if len(devices) > 1:
        *first, last = fields
        raise ValueError(
            f"{', '.join(first)} and {last} must be on one device, got "
            f"{', '.join(sorted(devices))}."
        )


def _check_dict(field: str, tensors: Any) -> None:
    if not isinstance(tensors, dict):
        raise ValueError(
            f"{field} must be a dict of tensors by name, got {type(tensors).__name__}."
        )
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(
                f"{field} must be a dict of tensors by name, got "
                f"{type(tensor).__name__} for {name!r}."
            )


def check_names(
    field: str, given: Iterable[str], known: Collection[str], what: str
) -> None:
    """Check that names are known.

    Args:
        field: Of the names, for the message.
        given: The names.
        known: Those that there are.
        what: What these name, for the message.

    Raises:
        ValueError: If one is unknown; names a few.
    """
    if unknown := [str(name) for name in given if name not in known]:
        raise ValueError(f"{field} must name {what}, got {listed(unknown)}.")


def check_like(field: str, name: str, mean: Tensor, tensor: Tensor) -> None:
    """Check what spreads one parameter: it and its mean are numbers of one shape.

    Args:
        field: Of the tensor, for the message.
        name: Of the parameter.
        mean: Its mean.
        tensor: What spreads it, such as a precision.

    Raises:
        ValueError: If a type or a shape is wrong, or a mean is not finite.
    """
    for kind, each in (("mean", mean), (field, tensor)):
        if not each.is_floating_point():
            raise ValueError(
                f"{kind} must be real floating-point where there is a {field}, got "
                f"{each.dtype} for {name}."
            )
    if tensor.shape != mean.shape:
        raise ValueError(
            f"{field} must have the shape of mean, {tuple(mean.shape)} for {name}, "
            f"got {tuple(tensor.shape)}."
        )
    check_all("mean", f"finite where there is a {field}", name, mean, mean.isfinite())


def check_all(
    field: str, condition: str, name: str, tensor: Tensor, right: Tensor
) -> None:
    """Check all elements; ValueError tells the first that is not right.

    Args:
        field: Of the tensor, for the message.
        condition: What elements must be, for the message.
        name: Of the parameter.
        tensor: What is checked.
        right: Which of its elements are right.

    Raises:
        ValueError: If one is not.
    """
    if not right.all():
        value = tensor[~right][0].item()
        raise ValueError(f"{field} must be {condition}, got {value:g} for {name}.")


def check_prior(
    names: Collection[str], prior_precision: dict[str, float], field: str
) -> None:
    """Check prior precisions.

    Args:
        names: Of the sampled parameters.
        prior_precision: By the same names.
        field: What the names are of, for messages.

    Raises:
        ValueError: If names differ or a number is negative.
    """
    if not isinstance(prior_precision, dict):
        raise ValueError(
            "prior_precision must be a dict of numbers by name, got "
            f"{type(prior_precision).__name__}."
        )
    if prior_precision.keys() != set(names):
        different = sorted(prior_precision.keys() ^ set(names), key=str)
        raise ValueError(
            f"prior_precision must have the names of {field}, got a difference in "
            f"{listed([str(name) for name in different])}."
        )
    for name, value in prior_precision.items():
        check_number(f"prior_precision of {name}", value, minimum=0)


def check_metadata(metadata: dict[str, Any]) -> None:
    """Check that metadata are strings and numbers by name; ValueError if not."""
    if not isinstance(metadata, dict):
        raise ValueError(f"metadata must be a dict, got {type(metadata).__name__}.")
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float):
            raise ValueError(
                f"metadata must be strings and numbers by name, got "
                f"{type(value).__name__} for {name!r}."
            )


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Values as builtin types: subclasses, as torch.__version__ is one, are code."""
    return {
        name: next(
            (kind(v) for kind in (bool, int, float, str) if isinstance(v, kind)), v
        )
        for name, v in values.items()
    }


def detached(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors in a new dict, outside any graph."""
    return {name: tensor.detach() for name, tensor in tensors.items()}


def cast(
    tensors: dict[str, Tensor],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> dict[str, Tensor]:
    """Tensors on a device; floating-point ones, and only those, in a type."""
    return {
        name: tensor.to(
            device=device, dtype=dtype if tensor.is_floating_point() else None
        )
        for name, tensor in tensors.items()
    }
