"""Posteriors on disk: safetensors, or torch's own format read without running code.

A file appears whole or not at all, and a file that holds no posterior is refused with
one error that says so.
"""

import importlib
import json
import os
import pickle
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from warnings import catch_warnings, simplefilter

import torch

from .forms import GAUSSIAN, Form

ORDER = "order"  # safetensors sorts its tensors; names of each field, in their order

# What torch raises for files that are damaged or belong to something else.
UNREADABLE = (
    RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError,
    pickle.UnpicklingError,
)  # fmt: skip

Fields = dict[str, Any]  # by name
Forms = tuple[Form, ...]
Built = TypeVar("Built")


class PosteriorError(ValueError):
    """A file is no posterior, is damaged, or is of a newer version."""


def save_fields(
    path: str | os.PathLike[str], fields: Fields, form: Form = GAUSSIAN
) -> None:
    """Write the fields of a posterior in one step.

    Args:
        path: Ends in .safetensors or .pt; an existing file is replaced.
        fields: What the form has, by name.
        form: What kind of posterior it is.

    Raises:
        ValueError: If the path ends in anything else.
        FileNotFoundError: If its folder does not exist.
        ImportError: If safetensors is asked for and not installed.
    """
    path = Path(path)
    write = {".safetensors": _write_safetensors, ".pt": _write_torch}[_suffix(path)]
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} does not exist, to save {path.name}.")
    # Copies: views would be written with all that they are views of.
    copied = {
        field: {name: t.detach().cpu().clone().contiguous() for name, t in each.items()}
        for field, each in fields.items()
        if field in form.tensors
    }
    whole = {**copied, **{field: dict(fields[field]) for field in form.values}}
    _write_atomically(path, lambda temporary: write(temporary, whole, form))


def load_as(
    builders: Mapping[Form, Callable[..., Built]], path: str | os.PathLike[str]
) -> Built:
    """Read what `save_fields` wrote, without running code from the file.

    Args:
        builders: By the forms that the file may have: called with the fields by name;
            the tensors are on the CPU.
        path: Ends in .safetensors or .pt.

    Returns:
        What the builder gave.

    Raises:
        PosteriorError: If the file holds no posterior, or a damaged or newer one.
        FileNotFoundError: If there is no file.
        ValueError: If the path ends in anything else.
        ImportError: If safetensors is asked for and not installed.
    """
    path = Path(path)
    read = {".safetensors": _read_safetensors, ".pt": _read_torch}[_suffix(path)]
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not path.is_file():
        raise PosteriorError(f"{path} must be a file, got a folder.")
    form, fields = read(path, tuple(builders))
    try:
        return builders[form](**fields)
    except UNREADABLE as error:
        raise PosteriorError(f"{path} is a damaged posterior: {error}") from error


def _suffix(path: Path) -> str:
    if path.suffix not in (".safetensors", ".pt"):
        raise ValueError(f"path must end in .safetensors or .pt, got {str(path)!r}.")
    return path.suffix


def _write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Replace a file in one step; whatever fails leaves the old one and no other."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_torch(path: Path, fields: Fields, form: Form) -> None:
    with path.open("wb") as file:  # given a path, torch writes the path's name into it
        torch.save({"format": form.name, "schema": form.schema, **fields}, file)


def _read_torch(path: Path, forms: Forms) -> tuple[Form, Fields]:
    try:
        with path.open("rb") as file, catch_warnings():
            simplefilter("ignore")  # what torch finds odd ends as an error below
            content = torch.load(file, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except (*UNREADABLE, OSError) as error:  # it seeks outside a truncated file
        # Not torch's own words: they advise to run the code that the file contains.
        raise PosteriorError(
            f"{path} cannot be read: it is damaged, or no file of torch.save, or has "
            "more in it than tensors and plain values."
        ) from error
    if not isinstance(content, dict):
        raise _not_a_posterior(path, f"it holds a {type(content).__name__}", forms)
    form = _form_named(path, content.get("format"), content.get("schema"), forms)
    return form, _complete(path, content, form)


def _write_safetensors(path: Path, fields: Fields, form: Form) -> None:
    tensors = {
        f"{field}/{name}": tensor
        for field in form.tensors
        for name, tensor in fields[field].items()
    }
    header = {field: json.dumps(fields[field]) for field in form.values}
    header[ORDER] = json.dumps({field: list(fields[field]) for field in form.tensors})
    header |= {"format": form.name, "schema": str(form.schema)}
    path.write_bytes(_safetensors("torch").save(tensors, header))


def _read_safetensors(path: Path, forms: Forms) -> tuple[Form, Fields]:
    library = _safetensors()
    try:
        with library.safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            # Copies: what comes is a view of the mapped file.
            tensors = {n: file.get_tensor(n).clone() for n in file.keys()}  # noqa: SIM118
    except (library.SafetensorError, *UNREADABLE) as error:
        raise PosteriorError(
            f"{path} cannot be read: it is damaged or no safetensors file ({error})."
        ) from error
    form = _form_named(path, header.get("format"), header.get("schema"), forms)
    try:
        fields = {field: json.loads(header[field]) for field in (*form.values, ORDER)}
        order = fields.pop(ORDER)
        for field in form.tensors:
            fields[field] = {n: tensors[f"{field}/{n}"] for n in order[field]}
    except UNREADABLE as error:
        raise _damaged(path, error) from error
    return form, _complete(path, fields, form)


def _safetensors(module: str = "") -> Any:
    """The optional library, imported when it is needed."""
    try:
        return importlib.import_module(f"safetensors.{module}".rstrip("."))
    except ImportError as error:
        raise ImportError(
            "A posterior in a .safetensors file needs the safetensors package: install "
            "it with `pip install safetensors`, or use a path that ends in .pt."
        ) from error


def _form_named(path: Path, name: Any, schema: Any, forms: Forms) -> Form:
    """The form of that name; PosteriorError if it is none of those wanted."""
    form = next((form for form in forms if form.name == name), None)
    if form is None:
        wanted = " or ".join(repr(form.name) for form in forms)
        raise _not_a_posterior(path, f"its format is {name!r}, not {wanted}", forms)
    if str(schema) != str(form.schema):
        raise PosteriorError(
            f"{path} must have schema {form.schema}, the one this version reads, "
            f"got {schema!r}."
        )
    return form


def _complete(path: Path, content: dict[Any, Any], form: Form) -> Fields:
    try:
        return {field: content[field] for field in (*form.tensors, *form.values)}
    except LookupError as error:
        raise _damaged(path, error) from error


def _not_a_posterior(path: Path, reason: str, forms: Forms) -> PosteriorError:
    kinds = " or ".join(form.kind for form in forms)
    return PosteriorError(f"{path} is no saved {kinds}: {reason}.")


def _damaged(path: Path, error: Exception) -> PosteriorError:
    return PosteriorError(f"{path} is a damaged posterior: {error!r}.")
