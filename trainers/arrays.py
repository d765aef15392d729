"""Files of arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.runs import replacing


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace an .npz file in one step; a reader sees the old or the new one.

    Args:
        path: The file.
        arrays: Arrays by name.
    """
    with replacing(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
