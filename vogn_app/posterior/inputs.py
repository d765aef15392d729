"""What a model is called with, cut into batches of examples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Arguments of one call, its examples first in each tensor."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Inputs:
    """The examples to predict.

    Args:
        x: A tensor [N, ...]; or a tuple (list) of positional or a mapping of keyword
            arguments, whose tensors are all [N, ...] and whose other values are passed
            on as they are.

    Raises:
        ValueError: If `x` is none of these, or its tensors differ in N.
    """

    def __init__(self, x: Any) -> None:
        self._whole = _arguments(x)
        values = (*self._whole.args, *self._whole.kwargs.values())
        shapes = [tuple(value.shape) for value in values if isinstance(value, Tensor)]
        if not shapes or not all(shapes) or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(
                "x must have tensors with the same number of examples in their first "
                f"dimension, got shapes {shapes}."
            )
        self.num_examples = shapes[0][0]

    def batches(
        self, batch_size: int, device: torch.device
    ) -> Iterator[tuple[slice, Batch]]:
        """Batches in order, on a device, with the rows that they are.

        Args:
            batch_size: Examples a batch, the last one excepted.
            device: Where the tensors go.

        Yields:
            Rows and arguments; without examples one empty batch, which has a shape.
        """
        for first in range(0, max(self.num_examples, 1), batch_size):
            rows = slice(first, min(first + batch_size, self.num_examples))
            yield rows, self._rows(rows, device)

    def _rows(self, rows: slice, device: torch.device) -> Batch:
        def cut(value: Any) -> Any:
            return value[rows].to(device) if isinstance(value, Tensor) else value

        args = tuple(cut(value) for value in self._whole.args)
        return Batch(args, {n: cut(value) for n, value in self._whole.kwargs.items()})


def _arguments(x: Any) -> Batch:
    if isinstance(x, Tensor):
        return Batch((x,), {})
    if isinstance(x, tuple | list):
        return Batch(tuple(x), {})
    if isinstance(x, Mapping):
        return Batch((), dict(x))
    raise ValueError(
        "x must be a tensor, or a tuple or dict of the model's arguments, got "
        f"{type(x).__name__}."
    )


def output_of(result: Any) -> Tensor:
    """The tensor that a model gives: its result, or the result's `.logits`.

    Args:
        result: Of a call of the model.

    Returns:
        The outputs.

    Raises:
        ValueError: If there is no such tensor.
    """
    outputs = result if isinstance(result, Tensor) else getattr(result, "logits", None)
    if isinstance(result, Mapping):
        outputs = result.get("logits")
    if not isinstance(outputs, Tensor):
        raise ValueError(
            "model must give a tensor or an object with logits, got "
            f"{type(result).__name__}."
        )
    return outputs


def check_outputs(outputs: Tensor, num_rows: int) -> None:
    """Check that outputs [S, N, ...] are one for each example.

    Args:
        outputs: Of S draws.
        num_rows: N.

    Raises:
        ValueError: If they are not.
    """
    shape = tuple(outputs.shape[1:])
    if not shape or shape[0] != num_rows:
        raise ValueError(
            f"model must give outputs with the {num_rows} examples in their first "
            f"dimension, got shape {shape}."
        )
