"""Maps of probabilities turned into rows, one a pixel, that every measure takes.

Pixels that a mask or an ignored label leaves out are never looked at: whatever a
network says there, NaN included, is no error.

*Conventions*: probabilities are ``[N, C, *spatial]`` or ``[S, N, C, *spatial]``, labels
and masks ``[N, *spatial]``, with at least one spatial axis (pixels of an image, voxels,
steps of a sequence). `class_axis` counts without the axis of samples: 1 is torch's
order, -1 has classes last. A mask is true where a pixel counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration._checks import as_array, check_probabilities

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelPredictions:
    """Pixels as examples: what the measures of classification take.

    Args:
        probabilities: Class probabilities of the P pixels that count, ``[P, C]`` or
            ``[S, P, C]``.
        labels: Their true classes, ``[P]``.
        groups: The image that each is from, 0..N-1, for `groups=`, ``[P]``.
    """

    probabilities: NDArray[np.floating[Any]]
    labels: NDArray[np.intp]
    groups: NDArray[np.intp]


def pixels(
    probabilities: ArrayLike,
    labels: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    ignore_label: int | None = None,
    class_axis: int = 1,
) -> PixelPredictions:
    """Turn maps into rows.

    Args:
        probabilities: Class probabilities, ``[N, C, *spatial]`` or
            ``[S, N, C, *spatial]``.
        labels: True classes, integers in 0..C-1 where they count, ``[N, *spatial]``.
        mask: Which pixels count; all by default, ``[N, *spatial]``.
        ignore_label: A label that marks pixels without a class, such as 255 or -1.
        class_axis: Place of classes among the axes without samples: 1, or -1 for last.

    Returns:
        The pixels that count, image by image and row by row.

    Raises:
        ValueError: If shapes disagree, a pixel that counts has a bad label or bad
            probabilities, or no pixel counts.
    """
    truth = _check_labels(labels)
    maps = classes_last(probabilities, truth.ndim - 1, class_axis)
    if truth.shape != maps.shape[-1 - truth.ndim : -1]:
        raise ValueError(
            f"labels must be [N, *spatial] = {maps.shape[-1 - truth.ndim : -1]} like "
            f"the probabilities, got shape {truth.shape}. Is the axis of classes the "
            f"one that class_axis={class_axis} says?"
        )
    kept = check_mask(mask, truth.shape)
    if ignore_label is not None:
        kept &= truth != ignore_label
    if not kept.any():
        raise ValueError(
            f"mask and ignore_label must leave a pixel, got none of {kept.size} "
            f"(ignore_label is {ignore_label}). A mask is true where a pixel counts."
        )
    _check_classes(truth, kept, maps.shape[-1])
    return PixelPredictions(
        probabilities=_rows(maps, kept),
        labels=truth[kept].astype(np.intp),
        groups=np.repeat(np.arange(len(kept)), [image.sum() for image in kept]),
    )


def classes_last(
    probabilities: ArrayLike, num_spatial: int, class_axis: int
) -> NDArray[Any]:
    """Return a view of probabilities that has the classes last.

    Args:
        probabilities: Class probabilities, ``[N, C, *spatial]`` or
            ``[S, N, C, *spatial]``.
        num_spatial: Number of spatial axes.
        class_axis: See `pixels`.

    Returns:
        The same numbers, ``[N, *spatial, C]`` or ``[S, N, *spatial, C]``.

    Raises:
        ValueError: If the array is empty or has another number of axes, or class_axis
            is neither 1 nor -1.
    """
    array = as_array(probabilities, "probabilities")
    if class_axis not in {1, -1}:
        raise ValueError(
            f"class_axis must be 1 (after examples) or -1 (last), got {class_axis}."
        )
    if array.size == 0:
        raise ValueError(f"probabilities must be non-empty, got shape {array.shape}.")
    num_samples_axes = array.ndim - num_spatial - 2
    if num_samples_axes not in {0, 1}:
        raise ValueError(
            f"probabilities must be [N, C, *spatial] or [S, N, C, *spatial] with "
            f"{num_spatial} spatial axes, got shape {array.shape}."
        )
    axis = num_samples_axes + 1 if class_axis == 1 else -1
    return np.moveaxis(array, axis, -1)


def images(maps: NDArray[Any], kept: Mask) -> Iterator[tuple[int, NDArray[Any]]]:
    """Check the rows of each image in which a pixel counts, and hand them out.

    Args:
        maps: Probabilities from `classes_last`.
        kept: Which pixels count, ``[N, *spatial]``.

    Yields:
        The number of the image, and its rows, ``[P', C]`` or ``[S, P', C]``.

    Raises:
        ValueError: If a row is not a distribution over classes; it is named by its
            image and its place among the pixels of that image which count.
    """
    by_image = np.moveaxis(maps, maps.ndim - kept.ndim - 1, 0)
    for n, (image, chosen) in enumerate(zip(by_image, kept, strict=True)):
        if chosen.any():
            rows = image[..., chosen, :]
            yield n, check_probabilities(rows, f"probabilities[image {n}]")


def check_mask(mask: ArrayLike | None, shape: tuple[int, ...]) -> Mask:
    """Return which pixels count, as an array of its own.

    Args:
        mask: True where a pixel counts; None for all.
        shape: ``(N, *spatial)``.

    Returns:
        The mask, ``[N, *spatial]``.

    Raises:
        ValueError: If it is not boolean, or has another shape.
    """
    if mask is None:
        return np.ones(shape, dtype=bool)
    array = np.array(as_array(mask, "mask"))
    if array.dtype.kind != "b":
        raise ValueError(
            f"mask must be boolean, true where a pixel counts, got dtype {array.dtype}."
        )
    if array.shape != shape:
        raise ValueError(
            f"mask must have the shape [N, *spatial] = {shape}, got {array.shape}."
        )
    return array


def _rows(maps: NDArray[Any], kept: Mask) -> NDArray[np.floating[Any]]:
    """Probabilities of the pixels that count, ``[P, C]`` or ``[S, P, C]``."""
    samples = maps.shape[: maps.ndim - kept.ndim - 1]
    rows = np.empty((*samples, int(kept.sum()), maps.shape[-1]), maps.dtype)
    start = 0
    for _, image in images(maps, kept):
        stop = start + image.shape[-2]
        rows[..., start:stop, :] = image
        start = stop
    return rows


def _check_labels(labels: ArrayLike) -> NDArray[Any]:
    """Return labels as an array of integers, ``[N, *spatial]``."""
    array = as_array(labels, "labels")
    if array.ndim < 2:
        raise ValueError(
            "labels must be class indices of shape [N, *spatial], "
            f"got shape {array.shape}. Give one image a first axis of length 1."
        )
    if array.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got dtype {array.dtype}.")
    return array


def _check_classes(labels: NDArray[Any], kept: Mask, num_classes: int) -> None:
    """Refuse a label of a pixel that counts, if it is no class."""
    wrong = kept & ((labels < 0) | (labels >= num_classes))
    if wrong.any():
        index = np.unravel_index(np.argmax(wrong), wrong.shape)
        place = ", ".join(map(str, index))
        raise ValueError(
            f"labels must be in 0..{num_classes - 1}, got {labels[index]} at "
            f"labels[{place}]. Pass ignore_label={labels[index]} if it marks pixels "
            "without a class."
        )
