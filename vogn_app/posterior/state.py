"""What a posterior consists of: built, checked, moved, saved and loaded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from .base import Posterior
from .fields import cast, check_fields, detached, plain_values
from .matching import buffers_of, listed, parameters_of, plain_names
from .storage import GAUSSIAN, load_as, save_fields


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PosteriorState(Posterior):
    """The fields of `GaussianPosterior`, which documents them.

    Raises:
        ValueError: If a field is not as documented.
    """

    precision: dict[str, Tensor]

    def __post_init__(self) -> None:
        fields = (self.mean, self.precision, self.buffers)
        check_fields(*fields, self.prior_precision, self.metadata)
        plain = {
            "mean": detached(self.mean),
            "precision": detached(self.precision),
            "buffers": detached(self.buffers),
            "prior_precision": {n: float(v) for n, v in self.prior_precision.items()},
            "metadata": plain_values(self.metadata),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_model(
        cls,
        model: nn.Module,
        precision: Mapping[str, Tensor],
        *,
        prior_precision: Mapping[str, float],
        metadata: Mapping[str, str | int | float] | None = None,
    ) -> Self:
        """The posterior whose mean and buffers a model holds; everything is copied.

        Args:
            model: The network, wrapped or not.
            precision: P by the model's names, of the wrapped model's if it is wrapped.
            prior_precision: delta by the same names.
            metadata: Free strings and numbers.

        Returns:
            The posterior, on the device of the model's first parameter.

        Raises:
            ValueError: If a name is not a parameter's, or an argument is out of range.
        """
        names = plain_names(model)
        given = {*precision, *prior_precision}
        if unknown := [name for name in given if name not in names]:
            raise ValueError(
                "precision and prior_precision must name parameters of model, got "
                f"{listed(unknown)}."
            )
        mean = parameters_of(model)
        device = next((p.device for p in mean.values()), None)
        tensors = (mean, {names[n]: p for n, p in precision.items()}, buffers_of(model))
        copies = [
            {name: t.detach().to(device, copy=True) for name, t in each.items()}
            for each in tensors
        ]
        return cls(
            mean=copies[0],
            precision=copies[1],
            buffers=copies[2],
            prior_precision={names[n]: d for n, d in prior_precision.items()},
            metadata=dict(metadata or {}),
        )

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
        fields = ("mean", "precision", "buffers", "prior_precision", "metadata")
        save_fields(path, {name: getattr(self, name) for name in fields})

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
        return load_as({GAUSSIAN: cls}, path).to(device)

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """The posterior on another device or in another type.

        Args:
            device: Where the tensors go; None leaves them where they are.
            dtype: Of means and buffers that are floating-point. Precisions become at
                least float32: they exceed the range of float16.

        Returns:
            A new posterior; tensors that need no change are shared.

        Raises:
            ValueError: If `dtype` is no real floating-point type.
        """
        if dtype is not None and not dtype.is_floating_point:
            raise ValueError(f"dtype must be real floating-point, got {dtype}.")
        wide = None if dtype is None else torch.promote_types(dtype, torch.float32)
        return type(self)(
            mean=cast(self.mean, device, dtype),
            precision=cast(self.precision, device, wide),
            buffers=cast(self.buffers, device, dtype),
            prior_precision=self.prior_precision,
            metadata=self.metadata,
        )
