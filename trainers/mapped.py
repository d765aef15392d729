"""Arrays of an .npz file without reading it whole. Torch-free.

`np.savez` stores arrays as they are, so that they can be mapped into memory: a page
that shows ten examples of a million touches ten.
"""

import math
import struct
import tokenize
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from calibration.report.reading import DAMAGED
from trainers.runs import RunError

_LOCAL_HEADER = struct.Struct("<26xHH")  # lengths of name and extra field at its end
# What damage makes of a file: an archive that seems encrypted, a header that is no
# Python or names a shape that no memory holds, and others.
_BROKEN = (
    OSError, ValueError, EOFError, KeyError, RuntimeError, SyntaxError, MemoryError,
    OverflowError, struct.error, tokenize.TokenError, *DAMAGED,
)  # fmt: skip


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
    except _BROKEN as error:
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
            if found.compress_type == zipfile.ZIP_STORED:
                return _mapped(file, found)
            with archive.open(found) as member:
                array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
                return array
    except FileNotFoundError:
        raise MissingFileError(f"{path.name} is missing.") from None
    except RunError:
        raise
    except _BROKEN as error:
        raise RunError(f"{name} in {path} cannot be read: {error}") from None


def _mapped(file: BinaryIO, found: zipfile.ZipInfo) -> NDArray[Any]:
    file.seek(found.header_offset)
    lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    begin = found.header_offset + _LOCAL_HEADER.size + sum(lengths)
    file.seek(begin)
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, columns_first, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds objects")
    size = math.prod(shape) * dtype.itemsize
    if file.tell() - begin + size != found.file_size:
        raise ValueError("its size is not what its header says")
    if not size:
        return np.zeros(shape, dtype)
    order = "F" if columns_first else "C"
    return np.memmap(file, dtype, "r", file.tell(), shape, order)  # type: ignore[call-overload, no-any-return]
