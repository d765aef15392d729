"""The built-in image datasets that have an official test part.

The idx sets (`fashion-mnist`, `mnist`, `kmnist`) are looked for in the cache, laid out
as torchvision does or in a folder of their name, then among the system's datasets.
The others (`cifar10`, `cifar100`, `svhn`) are read from the cache by torchvision. What
is found nowhere is downloaded into the cache.
"""

from pathlib import Path

import numpy as np

from data.arrays import Split
from data.cache import cache_folder, cache_lock, system_folder
from data.catalogue import DatasetError, DatasetSpec, dataset_spec
from data.idx import read_idx_pair

# torchvision's name for each set's folder.
_IDX_FOLDERS = {"fashion-mnist": "FashionMNIST", "mnist": "MNIST", "kmnist": "KMNIST"}

_IDX_PREFIXES = {True: "train", False: "t10k"}
_IDX_CONTENTS = ("images-idx3-ubyte", "labels-idx1-ubyte")
_IDX_STEMS = tuple(
    f"{prefix}-{content}"
    for prefix in _IDX_PREFIXES.values()
    for content in _IDX_CONTENTS
)

_CACHE_FILES = {
    "cifar10": tuple(
        f"cifar-10-batches-py/{file}"
        for file in [f"data_batch_{i}" for i in range(1, 6)]
        + ["test_batch", "batches.meta"]
    ),
    "cifar100": tuple(f"cifar-100-python/{file}" for file in ("train", "test", "meta")),
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
}

IMAGE_SETS = (*_IDX_FOLDERS, *_CACHE_FILES)


def is_available(name: str, *, cache: str | Path | None = None) -> bool:
    """Say whether a dataset can be loaded without a network.

    Its files are looked for, not into. Sets that come with scikit-learn, are generated,
    or are the user's own are always available.

    Args:
        name: Key in the catalogue.
        cache: As for `data.cache.cache_folder`.
    """
    spec = dataset_spec(name)
    return spec.name not in IMAGE_SETS or _is_present(name, cache_folder(cache))


def read_part(name: str, *, train: bool, cache: str | Path | None = None) -> Split:
    """Read the official training or test part, after a download where need be.

    A failed download or a damaged file is a `DatasetError`.

    Args:
        name: One of `IMAGE_SETS`.
        train: The training part rather than the test part.
        cache: As for `data.cache.cache_folder`.

    Returns:
        The part, inputs uint8 [N, C, H, W], labels in range.
    """
    spec, folder = dataset_spec(name), cache_folder(cache)
    with cache_lock(folder):
        present = _is_present(name, folder)
    if not present:
        _fetch(name, folder)
    read = _read_idx_part if name in _IDX_FOLDERS else _read_torchvision_part
    return read(spec, folder, train)


def _is_present(name: str, cache: Path) -> bool:
    """Say whether all the files of one of `IMAGE_SETS` are there."""
    if name in _IDX_FOLDERS:
        return bool(_find_idx(name, cache))
    return not _missing_files(name, cache)


def _missing_files(name: str, cache: Path) -> list[str]:
    """List what the cache lacks of a set that torchvision reads."""
    return [file for file in _CACHE_FILES[name] if not (cache / file).is_file()]


def _find_idx(name: str, cache: Path) -> dict[str, Path]:
    """Map each stem to its file in the first folder with all four, {} if none has."""
    for folder in _idx_candidates(name, cache):
        found = {stem: _idx_file(folder, stem) for stem in _IDX_STEMS}
        files = {stem: path for stem, path in found.items() if path is not None}
        if len(files) == len(_IDX_STEMS):
            return files
    return {}


def _idx_candidates(name: str, cache: Path) -> list[Path]:
    """List the folders an idx set may be in, in the order they are tried."""
    torchvision_folder = cache / _IDX_FOLDERS[name] / "raw"
    return [torchvision_folder, cache / name, system_folder() / name]


def _idx_file(folder: Path, stem: str) -> Path | None:
    """Find one idx file, plain or gzipped."""
    paths = (folder / stem, folder / f"{stem}.gz")
    return next((path for path in paths if path.is_file()), None)


def _fetch(name: str, cache: Path) -> None:
    """Download a set into the cache.

    Raises:
        DatasetError: That fails.
    """
    # Here alone, so that sets on this machine are read without torch.
    from data import download

    try:
        download.fetch(name, cache)
    except download.FETCH_ERRORS as error:
        raise DatasetError(
            f"{name} is not on this machine and its download failed. "
            f"Looked for {_whereabouts(name, cache)}. The download said: {error!r}. "
            f"{_remedy(name, cache)}"
        ) from error


def _whereabouts(name: str, cache: Path) -> str:
    """Say what was missing where."""
    if name in _CACHE_FILES:
        return f"{', '.join(_missing_files(name, cache))} in {cache}"
    return "; ".join(
        f"{', '.join(s for s in _IDX_STEMS if not _idx_file(folder, s))} in {folder}"
        for folder in _idx_candidates(name, cache)
    )


def _remedy(name: str, cache: Path) -> str:
    """Say what someone without a network can do."""
    if name in _CACHE_FILES:
        return f"Put these files into {cache}."
    remedy = f"Put these files, plain or with .gz at the end, into {cache / name}"
    if name == "fashion-mnist":
        remedy += ", or install Debian's package dataset-fashion-mnist"
    return f"{remedy}."


def _read_idx_part(spec: DatasetSpec, cache: Path, train: bool) -> Split:
    """Read one part of an idx set that is present."""
    files, prefix = _find_idx(spec.name, cache), _IDX_PREFIXES[train]
    images_path = files[f"{prefix}-{_IDX_CONTENTS[0]}"]
    images, labels = read_idx_pair(
        images_path, files[f"{prefix}-{_IDX_CONTENTS[1]}"], len(spec.class_names)
    )
    return _checked(spec, Split.whole(images[:, np.newaxis], labels), images_path)


def _read_torchvision_part(spec: DatasetSpec, cache: Path, train: bool) -> Split:
    """Read one part of a set that torchvision reads, and that is present."""
    from data import download

    part = Split.whole(*download.read(spec.name, cache, train=train))
    return _checked(spec, part, cache)


def _checked(spec: DatasetSpec, part: Split, place: Path) -> Split:
    """Pass on a part that is what the catalogue says.

    Raises:
        DatasetError: It is empty, or its images or labels are others.
    """
    if not len(part):
        raise DatasetError(f"{spec.name}: {place} holds no images.")
    if part.inputs.shape[1:] != spec.shape:
        raise DatasetError(
            f"{spec.name}: {place} must hold images of shape {spec.shape}, "
            f"got {part.inputs.shape[1:]}."
        )
    lowest, highest = part.labels.min(), part.labels.max()
    if lowest < 0 or highest >= len(spec.class_names):
        raise DatasetError(
            f"{spec.name}: {place} must hold labels from 0 to "
            f"{len(spec.class_names) - 1}, got {lowest} to {highest}."
        )
    return part
