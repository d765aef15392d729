"""What posteriors that can be kept have in common: files, devices and types."""

import os
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch

from .base import Posterior
from .fields import cast
from .forms import Form
from .storage import load_as, save_fields

NARROW = ("mean", "buffers")  # in the type asked for; all else is at least float32


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StoredPosterior(Posterior):
    """A posterior with a form of file; its fields are those of the form, by name.

    A class whose attributes are not plain tensors and numbers by name overrides
    `fields`, `from_fields` and `to`.
    """

    FORM: ClassVar[Form]

    def fields(self) -> dict[str, Any]:
        """What a file keeps, by name."""
        return {name: getattr(self, name) for name in self._field_names()}

    @classmethod
    def from_fields(cls, **fields: Any) -> Self:
        """The posterior from the fields of a file.

        Args:
            fields: As `fields` gave them.

        Returns:
            The posterior.

        Raises:
            ValueError: If they do not fit.
        """
        return cls(**fields)

    @classmethod
    def _field_names(cls) -> tuple[str, ...]:
        return (*cls.FORM.tensors, *cls.FORM.values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file, in one step; an existing one is replaced.

        Args:
            path: Ends in .safetensors, for which the safetensors package must be
                installed, or in .pt, torch's own format.

        Raises:
            ValueError: If the path ends in anything else.
            FileNotFoundError: If its folder does not exist.
            ImportError: If safetensors is needed and not installed.
        """
        save_fields(path, self.fields(), self.FORM)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], device: torch.device | str = "cpu"
    ) -> Self:
        """Read what `save` wrote; no code in the file is run.

        Args:
            path: Ends in .safetensors or .pt.
            device: Where the tensors go.

        Returns:
            The posterior, bit for bit what was saved.

        Raises:
            PosteriorError: If the file holds no posterior, or a damaged or newer one.
            FileNotFoundError: If there is no file.
            ValueError: If the path ends in anything else.
            ImportError: If safetensors is needed and not installed.
        """
        return load_as({cls.FORM: cls.from_fields}, path).to(device)

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """The posterior on another device or in another type.

        Args:
            device: Where the tensors go; None leaves them where they are.
            dtype: Of means and buffers that are floating-point. What spreads the draws
                becomes at least float32: precisions exceed the range of float16.

        Returns:
            A new posterior; tensors that need no change are shared.

        Raises:
            ValueError: If `dtype` is no real floating-point type.
        """
        wide = wide_of(dtype)
        moved = {
            name: cast(tensors, device, dtype if name in NARROW else wide)
            for name, tensors in self.fields().items()
            if name in self.FORM.tensors
        }
        return type(self).from_fields(**{**self.fields(), **moved})


def wide_of(dtype: torch.dtype | None) -> torch.dtype | None:
    """The type of what spreads the draws, where means are of a type.

    Args:
        dtype: Of means; None for no change.

    Returns:
        At least float32; None for no change.

    Raises:
        ValueError: If it is no real floating-point type.
    """
    if dtype is None:
        return None
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be real floating-point, got {dtype}.")
    return torch.promote_types(dtype, torch.float32)
