"""What a Gaussian posterior consists of: built and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn

from .fields import check_fields, detached, plain_values
from .forms import GAUSSIAN, Form
from .matching import copies_of, listed, plain_names
from .stored import StoredPosterior


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PosteriorState(StoredPosterior):
    """The fields of `GaussianPosterior`, which documents them.

    Raises:
        ValueError: If a field is not as documented.
    """

    FORM: ClassVar[Form] = GAUSSIAN

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
        mean, buffers = copies_of(model)
        device = next((each.device for each in mean.values()), None)
        return cls(
            mean=mean,
            precision={
                names[name]: each.detach().to(device, copy=True)
                for name, each in precision.items()
            },
            buffers=buffers,
            prior_precision={names[n]: d for n, d in prior_precision.items()},
            metadata=dict(metadata or {}),
        )
