"""What a report asks of arrays: each error names the array, the row and the cause."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration._checks import check_labels, check_probabilities
from calibration.ood.scores import check_logits

Array = NDArray[Any]


class PredictionsError(ValueError):
    """Predictions that no report can be made from; the message says why."""


def check_test(probabilities: Array, labels: Array) -> tuple[int, int]:
    """Check the two arrays that there must be, and return N and C."""
    count, classes = check_probabilities(probabilities).shape[-2:]
    check_labels(labels, count, classes)
    return count, classes


def check_classes(name: str, probabilities: Array, num_classes: int) -> int:
    """Check probabilities on other examples, and return how many there are."""
    shape = check_probabilities(probabilities, name).shape
    if shape[-1] != num_classes:
        raise PredictionsError(
            f"{name} must have the {num_classes} classes of the probabilities, "
            f"got {shape[-1]}."
        )
    return int(shape[-2])


def check_like(name: str, probabilities: Array | None, shape: tuple[int, int]) -> None:
    """Check further probabilities of the test examples, ``[N, C]``."""
    if probabilities is None:
        return
    if check_probabilities(probabilities, name).shape != shape:
        raise PredictionsError(
            f"{name} must be [N, C] = {shape} like the probabilities, "
            f"got shape {np.shape(probabilities)}."
        )


def check_pair(
    name: str, probabilities: Array, labels: Array, num_classes: int
) -> None:
    """Check probabilities and the labels that belong to them."""
    count = check_classes(name, probabilities, num_classes)
    check_labels_of(name, labels, count, num_classes)


def check_labels_of(name: str, labels: Array, count: int, num_classes: int) -> None:
    """Check labels of other examples than the test's."""
    try:
        check_labels(labels, count, num_classes)
    except ValueError as error:
        raise PredictionsError(f"{name}: {error}") from None


def check_names(class_names: Sequence[str], num_classes: int) -> None:
    """Check that there is a name for each class, or none at all."""
    if len(class_names) not in {0, num_classes}:
        raise PredictionsError(
            f"class_names must have one entry for each of {num_classes} classes, "
            f"got {len(class_names)}."
        )


def check_indices(indices: Array | None, count: int) -> None:
    """Check the rows of the examples in their dataset."""
    if indices is None:
        return
    if indices.shape != (count,) or indices.dtype.kind not in "iu":
        raise PredictionsError(
            f"indices must be whole numbers, one for each of {count} examples, got "
            f"shape {indices.shape} of {indices.dtype}."
        )


def check_images(images: Array | None, rows: Array | None, count: int) -> None:
    """Check pictures of all examples, or of those at `rows`."""
    if images is None:
        return
    wanted = count if rows is None else len(rows)
    is_grey = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 1)
    is_picture = is_grey or (images.ndim == 4 and images.shape[3] == 3)
    if not is_picture or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise PredictionsError(
            "images must be uint8 of shape [N, H, W] or [N, H, W, 3], got shape "
            f"{images.shape} of {images.dtype}. Bring channels to the end with "
            "transpose(0, 2, 3, 1), and multiply what lies in 0..1 by 255."
        )
    if len(images) != wanted:
        raise PredictionsError(
            f"images must have one entry for each of {wanted} examples, "
            f"got {len(images)}."
        )


def check_logits_like(name: str, logits: Array | None, shape: tuple[int, int]) -> None:
    """Check logits, ``[N, C]`` or ``[S, N, C]``, of so many examples and classes."""
    if logits is None:
        return
    found = check_logits(logits, name).shape
    if found[-2:] != shape:
        raise PredictionsError(
            f"{name} must be [N, C] = {shape}, got shape {np.shape(logits)}."
        )


def check_features(
    name: str, features: Array, count: int | None = None, width: int | None = None
) -> tuple[int, int]:
    """Check features ``[N, D]``, and return N and D."""
    wanted = "[N, D]" if count is None else f"({count}, {width})"
    if features.dtype.kind not in "fiu" or features.ndim != 2 or not features.size:
        raise PredictionsError(
            f"{name} must be numbers of shape {wanted}, got shape {features.shape} of "
            f"{features.dtype}."
        )
    if count is not None and features.shape != (count, width):
        raise PredictionsError(
            f"{name} must be of shape {wanted}, got {features.shape}."
        )
    wrong = ~np.isfinite(features).all(axis=1)
    if wrong.any():
        raise PredictionsError(
            f"{name} must be finite, got another number in row {int(wrong.argmax())}."
        )
    return features.shape[0], features.shape[1]


def check_sets(name: str, given: Iterable[str], known: Collection[str]) -> None:
    """Check names of out-of-distribution sets."""
    for each in given:
        if each not in known:
            raise PredictionsError(
                f"{name} must name out-of-distribution sets "
                f"({', '.join(known) or 'there are none'}), got {each!r}."
            )
