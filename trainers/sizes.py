"""How much data a configuration has, from the catalogue or a look at the files.

Torch-free, and nothing is loaded: it is for estimates.
"""

import math
from dataclasses import dataclass

from data import DatasetError, dataset_spec
from data.catalogue import TEST_FRACTION
from trainers.config import OOD_AUTO, OOD_NONE, RunConfig

GRID = 80 * 80  # points of the map of two-dimensional data, as `trainers.evaluate` has


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much data there is, to within a rounding.

    Args:
        input_shape: Of one input.
        num_classes: Number of classes.
        train: Training examples.
        validation: Those held out for the curves.
        test: Those of the final evaluation.
        ood: Out-of-distribution examples.
        grid: Points of the map.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    train: int
    validation: int
    test: int
    ood: int = 0
    grid: int = 0

    @property
    def num_bytes(self) -> int:
        """Bytes of all inputs as they are kept: images as bytes, points as floats."""
        size = 1 if len(self.input_shape) == 3 else 4
        examples = self.train + self.validation + self.test + self.ood + self.grid
        return examples * math.prod(self.input_shape) * size


def data_sizes(config: RunConfig) -> Sizes:
    """The sizes of a configuration's data, from the catalogue or a look at the files.

    Raises:
        DatasetError: If a folder of images is not as it should be.
    """
    spec = dataset_spec(config.dataset.name)
    if spec.kind == "folder":
        shape, num_classes, total, test = _own(str(config.dataset.folder))
    else:
        shape, num_classes = spec.shape or (), spec.num_classes or 0
        total, test = spec.train_size or 0, spec.test_size
    held = config.dataset.validation_fraction
    tested = 0.0
    if test is None:
        tested, test = TEST_FRACTION, round(total * TEST_FRACTION)
    return Sizes(
        input_shape=shape,
        num_classes=num_classes,
        train=max(1, round(total * (1 - held - tested))),
        validation=round(total * held),
        test=test,
        ood=_num_ood(config),
        grid=GRID if spec.kind == "points" else 0,
    )


def _own(folder: str) -> tuple[tuple[int, ...], int, int, int | None]:
    """Shape, classes, images and test images of somebody's own data."""
    from data.overview import overview  # which imports Pillow
    from data.own import count_own

    try:
        total, test = count_own(folder)
        found = overview(folder, per_class=0)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read: {error}") from None
    width, height = found.median
    channels = 1 if found.num_grey == found.num_opened else 3
    return (channels, height, width), found.num_classes, total, test


def _num_ood(config: RunConfig) -> int:
    name: str | None = config.evaluation.ood
    if name == OOD_AUTO:
        from data.loaders import choose_ood  # which imports scikit-learn

        name = choose_ood(dataset_spec(config.dataset.name))
    if name is None or name == OOD_NONE:
        return 0
    spec = dataset_spec(name)
    return spec.test_size or spec.train_size or 0
