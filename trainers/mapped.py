"""Arrays of an .npz file without reading it whole. Torch-free.

`np.savez` stores arrays as they are, so that they can be mapped into memory: a page
that shows ten examples of a million touches ten.
"""

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from data.npz import BROKEN, Layout, read_header, stored_at
from trainers.runs import RunError


class MissingFileError(RunError):
    """A file is not there, which is no damage; the message names it."""


def array_names(path: Path) -> list[str]:
    """The names of the arrays in a file.

    Raises:
        MissingFileError: If it is missing.
        RunError: If it is no .npz file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except FileNotFoundError:
        raise MissingFileError(f"{path.name} is missing.") from None
    except BROKEN as error:
        raise RunError(f"{path} cannot be read: {error}") from None


def mapped_array(path: Path, name: str) -> NDArray[Any]:
    """One array of a file, mapped read-only; of a compressed file it is read.

    Args:
        path: The .npz file.
        name: The array's name.

    Returns:
        The array.

    Raises:
        MissingFileError: If the file is missing.
        RunError: If the array is missing or damaged, or it holds objects, which could
            run code.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            if f"{name}.npy" not in archive.namelist():
                raise RunError(f"{name} in {path} does not exist.")
            found = archive.getinfo(f"{name}.npy")
            with archive.open(found) as member:
                layout = read_header(member)
                begin = member.tell()
            _check(layout, found.file_size - begin)
            if found.compress_type == zipfile.ZIP_STORED:
                return _mapped(file, layout, stored_at(file, found) + begin)
            with archive.open(found) as member:
                array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
                return array
    except FileNotFoundError:
        raise MissingFileError(f"{path.name} is missing.") from None
    except RunError:
        raise
    except BROKEN as error:
        raise RunError(f"{name} in {path} cannot be read: {error}") from None


def _check(layout: Layout, num_bytes: int) -> None:
    """Refuse objects, and a header that does not go with what comes behind it.

    Raises:
        ValueError: If that is so.
    """
    shape, _, dtype = layout
    if dtype.hasobject:
        raise ValueError("it holds objects")
    if math.prod(shape) * dtype.itemsize != num_bytes:
        raise ValueError("its size is not what its header says")


def _mapped(file: BinaryIO, layout: Layout, begin: int) -> NDArray[Any]:
    shape, columns_first, dtype = layout
    if 0 in shape or not dtype.itemsize:
        return np.zeros(shape, dtype)
    order = "F" if columns_first else "C"
    return np.memmap(file, dtype, "r", begin, shape, order)  # type: ignore[call-overload, no-any-return]
