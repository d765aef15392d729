"""Reader of idx files, the format of MNIST and its kin, plain or gzipped.

A file is two zero bytes, a type code, the number of axes, the length of each axis as
a big-endian 32-bit integer, and the values. Only type 8, unsigned bytes, is read.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalogue import DatasetError

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, num_axes: int) -> NDArray[np.uint8]:
    """Read one file.

    Args:
        path: The file; gzipped if its name ends in ".gz".
        num_axes: Axes it must have: 3 for images, 1 for labels.

    Returns:
        A writable array of the shape in the file's header.

    Raises:
        DatasetError: The file is missing, damaged, or something else.
    """
    content = _read_bytes(path)
    magic = bytes([0, 0, _UNSIGNED_BYTE, num_axes])
    if content[:4] != magic:
        raise DatasetError(
            f"{path} must be an idx file of bytes with {num_axes} axes (first bytes "
            f"{magic.hex()}), got {content[:4].hex() or 'an empty file'}."
        )
    start = 4 + 4 * num_axes
    if len(content) < start:
        raise DatasetError(
            f"{path} is truncated: its header needs {start} bytes, got {len(content)}."
        )
    shape = np.frombuffer(content, ">u4", count=num_axes, offset=4).tolist()
    expected = start + math.prod(shape)
    if len(content) != expected:
        problem = "has extra bytes" if len(content) > expected else "is truncated"
        raise DatasetError(
            f"{path} {problem}: shape {shape} needs {expected} bytes, "
            f"got {len(content)}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def read_idx_pair(
    images_path: Path, labels_path: Path, num_classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read images [N, H, W] and their labels [N] from two files.

    Raises:
        DatasetError: A file is bad, their counts differ, or a label is not below
            `num_classes`.
    """
    images = read_idx(images_path, num_axes=3)
    labels = read_idx(labels_path, num_axes=1)
    if len(images) != len(labels):
        raise DatasetError(
            f"{labels_path} must have a label for each image of {images_path}, "
            f"got {len(labels)} labels and {len(images)} images."
        )
    if labels.size and labels.max() >= num_classes:
        raise DatasetError(
            f"{labels_path} must have labels from 0 to {num_classes - 1}, "
            f"got {labels.max()}."
        )
    return images, labels


def _read_bytes(path: Path) -> bytes:
    """Read, and unpack, a whole file.

    Raises:
        DatasetError: It cannot be.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing.") from error
    except gzip.BadGzipFile as error:
        raise DatasetError(f"{path} is not an intact gzip file: {error}.") from error
    except (EOFError, zlib.error) as error:
        raise DatasetError(f"{path} is a damaged gzip file: {error}.") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}.") from error
