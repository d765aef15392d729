"""The fields of a mixture's file: those of its components, equal tensors kept once.

Members that share a frozen backbone would otherwise repeat it.

| field | what |
|---|---|
| `tensors` | of all components, under "INDEX/FIELD/NAME" |
| `shared` | which of those names stand for the same one of component 0 |
| `components` | by index: format, schema, values; `order`: names by field of tensors |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .forms import Form

if TYPE_CHECKING:
    from .mixture import Component


def fields_of(components: Sequence["Component"]) -> dict[str, Any]:
    """What a file keeps of components.

    Args:
        components: In order.

    Returns:
        The fields `tensors`, `shared` and `components`.
    """
    tensors: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    described: dict[str, Any] = {}
    for index, component in enumerate(components):
        form, fields = component.FORM, component.fields()
        order = {field: list(fields[field]) for field in form.tensors}
        values = {field: fields[field] for field in form.values}
        about = {"format": form.name, "schema": form.schema, "order": order}
        described[str(index)] = about | values
        for place, tensor in _places(fields, form):
            key, first = f"{index}/{place}", f"0/{place}"
            if first in tensors and _same(tensor, tensors[first]):
                shared[key] = first
            else:
                tensors[key] = tensor
    return {"tensors": tensors, "shared": shared, "components": described}


def _places(fields: dict[str, Any], form: Form) -> Iterator[tuple[str, Tensor]]:
    for field in form.tensors:
        for name, tensor in fields[field].items():
            yield f"{field}/{name}", tensor


def _same(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors have the same type, shape and bits."""
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return False
    return torch.equal(_bytes(ours), _bytes(theirs))


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.flatten().view(torch.uint8)


def components_of(
    builders: Mapping[Form, Callable[..., "Component"]],
    tensors: Mapping[str, Tensor],
    shared: Mapping[str, str],
    components: Mapping[str, Mapping[str, Any]],
) -> Iterator["Component"]:
    """The components from the fields of a file.

    Args:
        builders: By the forms that components may have.
        tensors: See `fields_of`.
        shared: As well.
        components: As well.

    Yields:
        The components in order; equal tensors are one.

    Raises:
        ValueError: If a component is of an unknown form, or does not fit.
        LookupError: If something is missing.
    """
    forms = {(form.name, form.schema): form for form in builders}
    for index in range(len(components)):
        about = components[str(index)]
        form = forms.get((about["format"], about["schema"]))
        if form is None:
            raise ValueError(
                "components must be of known forms, got "
                f"{about['format']!r} with schema {about['schema']!r}."
            )
        keys = {
            field: {name: f"{index}/{field}/{name}" for name in about["order"][field]}
            for field in form.tensors
        }
        fields: dict[str, Any] = {
            field: {name: tensors[shared.get(key, key)] for name, key in named.items()}
            for field, named in keys.items()
        }
        yield builders[form](**fields, **{v: about[v] for v in form.values})
