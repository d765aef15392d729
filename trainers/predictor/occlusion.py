"""Which part of an image a prediction rests on: cover one patch after another.

*Paper*: Zeiler and Fergus (2014), arXiv:1311.2901, section 4.2. A square of the
training images' mean colour covers the image at one place after another. What the
network then loses in confidence says what it saw there.

*Departures*: next to the confidence the two entropies are followed, and a pixel's value
is the mean over all squares that cover it, so that the map is as large as the image.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from calibration import decompose

MAX_PLACES = 2500  # squares on an image
AT_ONCE, BYTES_AT_ONCE = 250, 2**26  # covered images, and what they take
MAPS = ("confidence", "entropy", "mutual_information")

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def occlude(
    predict: Predict,
    image: NDArray[np.uint8],
    fill: NDArray[np.uint8],
    patch: int,
    stride: int,
) -> dict[str, Floats]:
    """Follow a prediction while a square covers the image.

    Args:
        predict: Gives probabilities ``[S, N, C]`` of images ``[N, channels, H, W]``.
        image: The image, ``[channels, H, W]``.
        fill: What covers it, ``[channels]``.
        patch: Side of the square in pixels.
        stride: Distance of two places of it.

    Returns:
        For each of `MAPS` how much it changes when a pixel is covered, ``[H, W]``:
        "confidence" the fall of the probability of the class that was predicted, the
        others the rise of the entropies in nats; and of the whole image
        ``"NAME_before"`` ``[]``, what it is, and ``"prediction"`` ``[]``, the class.

    Raises:
        ValueError: If the patch or the stride does not suit the image.
    """
    places = positions(image.shape[1:], patch, stride)
    batches = _covered(image, fill, patch, places)
    probabilities = np.concatenate([predict(each) for each in batches], axis=1)
    split = decompose(probabilities)
    mean = probabilities.mean(axis=0, dtype=np.float64)
    predicted = int(mean[0].argmax())
    confidence = mean[:, predicted]
    found: dict[str, Floats] = {"prediction": np.asarray(predicted, np.float64)}
    for name, values, sign in (
        ("confidence", confidence, -1),
        ("entropy", split.total, 1),
        ("mutual_information", split.mutual_information, 1),
    ):
        changes = sign * (values[1:] - values[0])
        found[name] = spread_out(changes, places, patch, image.shape[1:])
        found[f"{name}_before"] = np.asarray(values[0])
    return found


def _covered(
    image: NDArray[np.uint8],
    fill: NDArray[np.uint8],
    patch: int,
    places: Sequence[tuple[int, int]],
) -> Iterator[NDArray[np.uint8]]:
    """The image as it is and then covered, as many at a time as memory is taken for."""
    size = min(AT_ONCE, max(1, BYTES_AT_ONCE // image.nbytes))
    squares = [None, *places]
    for start in range(0, len(squares), size):
        some = squares[start : start + size]
        found = np.repeat(image[None], len(some), axis=0)
        for each, place in zip(found, some, strict=True):
            if place is not None:
                top, left = place
                each[:, top : top + patch, left : left + patch] = fill[:, None, None]
        yield found


def positions(size: tuple[int, ...], patch: int, stride: int) -> list[tuple[int, int]]:
    """Upper left corners of the squares; the last ones end where the image does.

    Args:
        size: Height and width.
        patch: Side of a square.
        stride: Distance of two.

    Returns:
        Rows and columns.

    Raises:
        ValueError: If an argument is out of range, or there would be too many.
    """
    if not 1 <= patch <= min(size):
        raise ValueError(f"patch must be in 1..{min(size)}, got {patch}.")
    if not 1 <= stride <= patch:
        raise ValueError(f"stride must be in 1..{patch} (the patch), got {stride}.")
    rows, columns = (_starts(length, patch, stride) for length in size)
    if len(rows) * len(columns) > MAX_PLACES:
        raise ValueError(
            f"the patches must have at most {MAX_PLACES} places, got "
            f"{len(rows) * len(columns)}; take a larger patch or stride."
        )
    return [(row, column) for row in rows for column in columns]


def _starts(length: int, patch: int, stride: int) -> list[int]:
    return sorted({*range(0, length - patch, stride), length - patch})


def spread_out(
    changes: Floats,
    places: list[tuple[int, int]],
    patch: int,
    size: tuple[int, ...],
) -> Floats:
    """The mean change over the squares that cover a pixel.

    Args:
        changes: Of each place, ``[K]``.
        places: Upper left corners.
        patch: Side of a square.
        size: Height and width.

    Returns:
        ``[H, W]``; every pixel is covered.
    """
    total, count = np.zeros(size), np.zeros(size)
    for change, (top, left) in zip(changes, places, strict=True):
        part = (slice(top, top + patch), slice(left, left + patch))
        total[part] += change
        count[part] += 1
    return total / count
