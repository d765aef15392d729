"""Which runs are of the same data, also of those that came from another machine.

A person's own data are known by the name of their folder. Where it lies says little:
on another machine, or moved, the same data lie elsewhere. So of two folders of one name
the results decide: which examples of them runs were tested on, and what these show.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.config import DatasetConfig
from trainers.families import data_name
from trainers.mapped import mapped_array
from trainers.runs import RunError
from ui.components import predictions, reading
from ui.components.reading import Summary

NUM_LOOKED_AT = 16  # images of two runs that are compared
ALIKE = 4.0  # of 255, by which an image may differ where another program decoded it


def title(data: DatasetConfig) -> tuple[str, str]:
    """What data are called: those of other titles are others."""
    return data.name, data_name(data)


def by_data(views: Sequence[Summary]) -> list[list[Summary]]:
    """Gather runs by their data; damaged runs are left out.

    Folders of one name count as the same data only where results tell it.
    """
    titles: dict[tuple[str, str], dict[str, list[Summary]]] = {}
    for view in views:
        if view.config is not None:
            data = view.config.dataset
            folders = titles.setdefault(title(data), {})
            folders.setdefault(data.folder or "", []).append(view)
    return [
        each for folders in titles.values() for each in _joined([*folders.values()])
    ]


def _joined(folders: Sequence[Sequence[Summary]]) -> list[list[Summary]]:
    found: list[list[Summary]] = []
    for views in folders:
        same = next((each for each in found if _same(each, views)), None)
        if same is None:
            found.append([*views])
        else:
            same.extend(views)
    return found


def _same(*folders: Sequence[Summary]) -> bool:
    """Whether the first evaluated runs of two folders tell that these are the same."""
    evaluated = [[view for view in views if view.metrics][:1] for views in folders]
    if not all(evaluated):
        return False
    one, other = (views[0] for views in evaluated)
    try:
        pairs = zip(examples(one), examples(other), strict=True)
        same = all(np.array_equal(*pair) for pair in pairs)
    except RunError:
        return False
    return same and may_be_same_images(one, other)


def examples(view: Summary) -> tuple[NDArray[Any], NDArray[Any]]:
    """The labels of the test examples, and which of the dataset they are.

    Raises:
        RunError: If they cannot be read.
    """
    try:
        labels = predictions.array(view.run, "labels")
        return labels, predictions.array(view.run, "indices")
    except (RunError, OSError, ValueError) as error:
        raise RunError(reading.told(view.run, RunError(str(error)))) from None


def may_be_same_images(one: Summary, other: Summary) -> bool:
    """Whether no image that both runs kept of an example differs; old ones kept none.

    Args:
        one: A run.
        other: One that was tested on examples of the same labels and places.
    """
    try:
        (images, rows), (others, other_rows) = (
            [mapped_array(view.run.images, name) for name in ("images", "rows")]
            for view in (one, other)
        )
    except (RunError, OSError, ValueError):
        return True
    _, here, there = np.intersect1d(rows, other_rows, return_indices=True)
    step = max(1, len(here) // NUM_LOOKED_AT)
    pairs = list(zip(here[::step], there[::step], strict=True))[:NUM_LOOKED_AT]
    if pairs and images.shape[1:] != others.shape[1:]:
        return False
    return all(_difference(images[k], others[j]) <= ALIKE for k, j in pairs)


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.float32) - other.astype(np.float32)).mean())
