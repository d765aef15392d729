"""From the name of a dataset to its arrays, divided and with its normalisation."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.adapt import adapt_images
from data.arrays import LoadedDataset, Normalisation, Split
from data.bundled import digits, photo_patches
from data.catalogue import (
    TEST_FRACTION,
    DatasetError,
    DatasetSpec,
    dataset_spec,
)
from data.images import is_available, read_part
from data.own import read_own
from data.splits import stratified_split
from data.toys import TOYS

MAX_VALIDATION_FRACTION = 0.5

_BUNDLED: dict[str, Callable[[], Split]] = {
    "digits": digits,
    "photo-patches": photo_patches,
}


def load_dataset(
    name: str,
    *,
    folder: str | Path | None = None,
    cache: str | Path | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> LoadedDataset:
    """Load a dataset to train on.

    An official test part is kept, and the validation part is split off the training
    part; sets without one are divided in three, a fifth being the test part.
    Data that cannot be had or are damaged are a `DatasetError`.

    Args:
        name: Key in the catalogue.
        folder: Folder of the user's images, or an .npz file with them, for "folder"
            only.
        cache: As for `data.cache.cache_folder`; downloads go there.
        validation_fraction: Share of the validation part in what is divided, from 0
            (no such part) to 0.5.
        seed: Decides how examples are divided, and draws the generated points; from 0
            to 2^32 - 1.

    Returns:
        The three parts; every class has examples in the first.

    Raises:
        ValueError: An argument is not as described.
    """
    spec = dataset_spec(name)
    if spec.ood_only:
        raise ValueError(
            f"name must be a dataset to train on, got {name!r}, which serves as an "
            "out-of-distribution set only."
        )
    _check_folder_argument(spec, folder)
    if not 0 <= validation_fraction <= MAX_VALIDATION_FRACTION:
        raise ValueError(
            f"validation_fraction must be in [0, {MAX_VALIDATION_FRACTION}], "
            f"got {validation_fraction}."
        )
    if not 0 <= seed < 2**32:  # scikit-learn's range
        raise ValueError(f"seed must be in [0, 2^32), got {seed}.")
    if spec.test_size is not None:
        return _load_with_test_part(spec, cache, validation_fraction, seed)
    return _load_undivided(spec, folder, validation_fraction, seed)


def load_ood(
    name: str,
    like: LoadedDataset,
    *,
    cache: str | Path | None = None,
    folder: str | Path | None = None,
) -> Split:
    """Load images that are out of distribution for `like`, in its shape.

    They are not normalised: the caller applies `like.normalisation`, as to any input
    of the model. Errors are those of `load_dataset`.

    Args:
        name: Key in the catalogue of another image dataset. Its official test part is
            taken, or all of it where it has none.
        like: The dataset the model was trained on.
        cache: As for `load_dataset`.
        folder: As for `load_dataset`; one class is enough here.

    Returns:
        Inputs uint8 [N, *like.input_shape], with the other set's own labels.

    Raises:
        ValueError: An argument is not as described.
    """
    spec = dataset_spec(name)
    if spec.kind == "points":
        raise ValueError(f"name must be an image dataset, got {name!r}.")
    if like.spec.kind == "points":
        raise ValueError(f"like must be an image dataset, got {like.spec.name!r}.")
    if name == like.spec.name:
        raise ValueError(
            f"name must be another dataset than the one trained on, got {name!r}."
        )
    _check_folder_argument(spec, folder)
    if folder is not None:
        part = read_own(folder, min_classes=1).images
    elif name in _BUNDLED:
        part = _BUNDLED[name]()
    else:
        part = read_part(name, train=False, cache=cache)
    return replace(part, inputs=adapt_images(part.inputs, like.input_shape))


def choose_ood(spec: DatasetSpec, *, cache: str | Path | None = None) -> str | None:
    """Choose an out-of-distribution set for a dataset.

    Returns:
        The first of its partners that is there without a network, else the first; None
        where it has none.
    """
    for name in spec.ood_partners:
        if is_available(name, cache=cache):
            return name
    return spec.ood_partners[0] if spec.ood_partners else None


def _check_folder_argument(spec: DatasetSpec, folder: str | Path | None) -> None:
    """Refuse a folder for a built-in set, or none for the user's own.

    Raises:
        ValueError: It is so.
    """
    if spec.kind == "folder" and folder is None:
        raise ValueError("folder must be the path of your images, got None.")
    if spec.kind != "folder" and folder is not None:
        raise ValueError(
            f"folder must be None for dataset {spec.name!r}, got {str(folder)!r}."
        )


def _load_with_test_part(
    spec: DatasetSpec, cache: str | Path | None, validation: float, seed: int
) -> LoadedDataset:
    """Load a built-in set that keeps its official test part.

    Raises:
        DatasetError: A class has too few training examples.
    """
    source = read_part(spec.name, train=True, cache=cache)
    test = read_part(spec.name, train=False, cache=cache)
    counts = np.bincount(source.labels, minlength=len(spec.class_names))
    needed = 2 if validation else 1
    if counts.min() < needed:
        raise DatasetError(
            f"{spec.name} must have at least {needed} training images of class "
            f"{spec.class_names[counts.argmin()]!r}, got {counts.min()}."
        )
    parts = stratified_split(source.labels, (1 - validation, validation), seed)
    train, held_out = (source.take(rows) for rows in parts)
    return _assemble(spec, spec.class_names, (train, held_out, test))


def _load_undivided(
    spec: DatasetSpec, folder: str | Path | None, validation: float, seed: int
) -> LoadedDataset:
    """Load a set without an official test part, and divide it in three.

    Of the user's own images, a test part is kept if there is one.
    """
    fractions = (1 - validation - TEST_FRACTION, validation, TEST_FRACTION)
    class_names = spec.class_names
    if folder is not None:
        num_parts = sum(fraction > 0 for fraction in fractions)
        own = read_own(folder, min_images=num_parts)
        source, class_names = own.images, own.class_names
        if own.test is not None:
            divided = stratified_split(
                source.labels, (1 - validation, validation), seed
            )
            first, second = (source.take(rows) for rows in divided)
            return _assemble(spec, class_names, (first, second, own.test))
    elif spec.name in TOYS:
        source = Split.whole(*TOYS[spec.name](seed))
    else:
        source = _BUNDLED[spec.name]()
    parts = stratified_split(source.labels, fractions, seed)
    train, held_out, test = (source.take(rows) for rows in parts)
    return _assemble(spec, class_names, (train, held_out, test))


def _assemble(
    spec: DatasetSpec, class_names: tuple[str, ...], parts: tuple[Split, Split, Split]
) -> LoadedDataset:
    """Put the three parts together, with constants of the first."""
    train, validation, test = parts
    normalisation = Normalisation.fit(train.inputs)
    return LoadedDataset(spec, class_names, train, validation, test, normalisation)
