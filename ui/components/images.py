"""The images that a run kept for the pages, by their rows in its predictions."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainers.mapped import array_names, mapped_array
from trainers.runs import Run, RunError


@dataclass(frozen=True, eq=False)
class Kept:
    """Images of one set, of which there may be more examples than images.

    Args:
        images: uint8 [K, H, W] or [K, H, W, 3]; mapped.
        rows: Their rows among the predictions of the set, ascending, [K].
    """

    images: NDArray[np.uint8]
    rows: NDArray[np.int64]

    def of(self, row: int) -> NDArray[np.uint8] | None:
        """The image of a row of the predictions, None if it was not kept."""
        place = int(np.searchsorted(self.rows, row))
        if place >= len(self.rows) or self.rows[place] != row:
            return None
        return np.asarray(self.images[place])

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of the network's input, (channels, height, width)."""
        height, width = self.images.shape[1:3]
        return (3 if self.images.ndim == 4 else 1, height, width)


def kept(run: Run, name: str = "") -> Kept:
    """The images kept of a set.

    Args:
        run: An evaluated run on images.
        name: "" of the test set, or "ood_NAME".

    Raises:
        RunError: If there are none, or the file is damaged.
    """
    suffix = f"_{name}" if name else ""
    images = mapped_array(run.images, f"images{suffix}")
    rows = np.asarray(mapped_array(run.images, f"rows{suffix}"))
    fine = images.dtype == np.uint8 and (
        images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)
    )
    fine = fine and rows.shape == images.shape[:1] and rows.dtype.kind == "i"
    if not fine or not images.size or (np.diff(rows) <= 0).any() or rows[0] < 0:
        raise RunError(f"{run.images} is damaged: images{suffix} are no images.")
    return Kept(images, rows)


def kept_sets(run: Run) -> set[str]:
    """Names of the sets of which images were kept; none of runs that kept no file."""
    if not run.images.exists():
        return set()
    found = array_names(run.images)
    return {name.removeprefix("rows").removeprefix("_") for name in found
            if name == "rows" or name.startswith("rows_")}  # fmt: skip


def data_url(image: NDArray[Any]) -> str:
    """An image as an address that needs no file and no server.

    Args:
        image: uint8 [H, W] or [H, W, 3].
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def channels_first(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image [H, W] or [H, W, 3] as networks take it, [channels, H, W]."""
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def channels_last(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The way back."""
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)
