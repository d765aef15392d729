"""Recipes: settings that belong together, for a batch size. Torch-free.

A recipe is nothing but values for settings that can all be given one by one: the
command line takes one with `--recipe`, and flags beside it win; the launch form fills
its fields with one.

SP-NGD's rows are those that its authors trained ResNet-50 on ImageNet with (their code
chainerkfac, its configurations for 128 to 4,096 GPUs). What carries over to other data
is the share of the data that a batch is. In the rows themselves the memory of the
momentum, batch size / (1 - momentum), is about one epoch at every batch size. So:

- a row holds for its batch size / 1,281,167, the number of ImageNet's images;
- between two rows, `lr`, `damping` and 1 - `momentum` are interpolated geometrically
  and the other values linearly, over the logarithm of the share; outside of the table
  the nearest row holds;
- `decay_start` and `decay_end` keep their ratio to the number of epochs.

Random erasing of every other image, momentum coupled to the learning rate and rescaled
weights go with all rows, weight decay and a bound of the step with none. Data without
images are not erased.
"""

import math
from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from data import DatasetError, dataset_spec
from data.catalogue import TEST_FRACTION
from trainers.config import POLYNOMIAL, DatasetConfig, TrainingConfig

IMAGENET = 1_281_167  # training images
ERASING = 0.5


@dataclass(frozen=True)
class Row:
    """What SP-NGD's authors trained with at one batch size, epochs being ImageNet's."""

    batch_size: int
    lr: float
    momentum: float
    damping: float
    mixup: float
    decay_power: float
    decay_start: float
    decay_end: float
    epochs: int

    def values(self) -> dict[str, float]:
        """The numbers between which a recipe interpolates."""
        return {
            "lr": math.log(self.lr),
            "momentum": math.log(1 - self.momentum),
            "damping": math.log(self.damping),
            "mixup": self.mixup,
            "decay_power": self.decay_power,
            "decay_start": self.decay_start / self.epochs,
            "decay_end": self.decay_end / self.epochs,
        }


ROWS = (
    Row(4_096, 8.18e-3, 0.997, 2.5e-4, 0.4, 11, 1, 53, 36),
    Row(8_192, 1.25e-2, 0.993, 2.5e-4, 0.4, 8, 1, 53.5, 36),
    Row(16_384, 2.5e-2, 0.985, 2.5e-4, 0.4, 8, 1, 53.5, 36),
    Row(32_768, 3.0e-2, 0.97, 2.0e-4, 0.6, 3.5, 1.5, 49.5, 46),
    Row(65_536, 4.0e-2, 0.95, 1.5e-4, 0.6, 2.9, 2, 64.5, 61),
    Row(131_072, 7.0e-2, 0.93, 1.0e-4, 1.0, 3.0, 1, 95, 81),
)


def sp_ngd(share: float, epochs: int, images: bool) -> dict[str, Any]:
    """The settings of SP-NGD's recipe.

    Args:
        share: Batch size / training examples, > 0.
        epochs: Passes over the training data.
        images: Whether the data are images.

    Returns:
        Values by the names of the command line's flags.
    """
    values = _interpolated(share)
    numbers = {
        "lr": math.exp(values["lr"]),
        "damping": math.exp(values["damping"]),
        "mixup": values["mixup"],
        "decay_power": values["decay_power"],
        "decay_start": values["decay_start"] * epochs,
        "decay_end": values["decay_end"] * epochs,
    }
    return {
        **{name: float(f"{value:.3g}") for name, value in numbers.items()},
        "momentum": round(1 - math.exp(values["momentum"]), 4),
        "weight_decay": 0.0,
        "kl_clip": 0.0,
        "schedule": POLYNOMIAL,
        "couple_momentum": True,
        "random_erasing": ERASING if images else 0.0,
        "rescale_weights": True,
    }


def _interpolated(share: float) -> Mapping[str, float]:
    """The numbers of the table at a share of the data."""
    batch_size = share * IMAGENET
    place = bisect([row.batch_size for row in ROWS], batch_size)
    if place in (0, len(ROWS)):
        return ROWS[min(place, len(ROWS) - 1)].values()
    low, high = ROWS[place - 1], ROWS[place]
    way = math.log(batch_size / low.batch_size)
    way /= math.log(high.batch_size / low.batch_size)
    above = high.values()
    return {
        name: value + way * (above[name] - value)
        for name, value in low.values().items()
    }


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe: what it is, the optimizer that it is for, and what it says.

    `settings` takes batch size / training examples, the number of epochs and whether
    the data are images, and gives values by the names of the command line's flags.
    """

    name: str
    title: str
    paper: str
    optimizer: str
    settings: Callable[[float, int, bool], dict[str, Any]]


RECIPES = {
    "sp_ngd": Recipe(
        name="sp_ngd",
        title="SP-NGD's large-batch recipe",
        paper="Osawa et al. (2020), arXiv:2002.06015, table by batch size",
        optimizer="sp_ngd",
        settings=sp_ngd,
    )
}


def find_recipe(name: str) -> Recipe:
    """Look up a recipe; ValueError names the known ones."""
    if name not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}, got {name!r}.")
    return RECIPES[name]


def recipe_settings(
    recipe: Recipe, dataset: DatasetConfig, training: TrainingConfig
) -> dict[str, Any]:
    """What a recipe says for a run.

    Args:
        recipe: The recipe.
        dataset: Its kind and size count.
        training: Its batch size and number of epochs count.

    Returns:
        Values by the names of the command line's flags.

    Raises:
        ValueError: If the user's folder of images cannot be counted.
    """
    share = training.batch_size / num_training(dataset)
    images = dataset_spec(dataset.name).kind != "points"
    return recipe.settings(share, training.epochs, images)


def num_training(dataset: DatasetConfig) -> int:
    """How many examples are trained on, to within a rounding.

    Raises:
        ValueError: If the user's folder of images cannot be counted.
    """
    spec = dataset_spec(dataset.name)
    total, test = spec.train_size, spec.test_size
    if total is None:
        total, test = _counted(str(dataset.folder))
    tested = TEST_FRACTION if test is None else 0.0
    return max(1, round(total * (1 - dataset.validation_fraction - tested)))


def _counted(folder: str) -> tuple[int, int | None]:
    from data.own import count_own  # which imports Pillow

    try:
        return count_own(folder)
    except (DatasetError, OSError) as error:
        raise ValueError(f"recipe cannot be had: {error}") from None
