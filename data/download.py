"""The datasets torchvision fetches and reads; all that imports torchvision is here."""

import socket
import tarfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from data.cache import cache_lock
from data.catalogue import DatasetError

FETCH_ERRORS = (
    OSError,  # urllib's, a time-out's, and those of a full or read-only disk
    RuntimeError,  # torchvision's own
    EOFError,
    HTTPException,
    tarfile.TarError,
    zlib.error,
)

_CLASSES: dict[str, Any] = {
    "fashion-mnist": datasets.FashionMNIST,
    "mnist": datasets.MNIST,
    "kmnist": datasets.KMNIST,
    "cifar10": datasets.CIFAR10,
    "cifar100": datasets.CIFAR100,
    "svhn": datasets.SVHN,
}

_SILENCE_SECONDS = 30.0  # torchvision sets no time-out: a dead line would hang the run


def fetch(name: str, cache: Path) -> None:
    """Download what the cache lacks of a dataset, with a progress bar on stderr.

    Raises one of `FETCH_ERRORS` where that fails.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with cache_lock(cache), _time_limit(_SILENCE_SECONDS):
        for part in _parts(name):
            _CLASSES[name](cache, **part, download=True)


def read(
    name: str, cache: Path, *, train: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one part of CIFAR-10, CIFAR-100 or SVHN from the cache.

    Returns:
        Images [N, 3, 32, 32] and labels [N].

    Raises:
        DatasetError: A file is damaged, or a package is missing: SVHN needs SciPy.
    """
    part = _parts(name)[0 if train else 1]
    try:
        with warnings.catch_warnings():
            # NumPy 2.4.0 to 2.4.4 on CIFAR's old pickles (numpy PR 31177).
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be")
            return _arrays(_CLASSES[name](cache, **part))
    except ImportError as error:
        raise DatasetError(
            f"{name} needs a package that is not installed: {error}."
        ) from error
    except Exception as error:  # SciPy's own derive from nothing narrower
        files = _files(name, cache, train=train)
        damaged = [
            path for path, md5 in files.items() if not check_integrity(path, md5)
        ]
        names = ", ".join(str(path) for path in damaged or files)
        raise DatasetError(
            f"{name} cannot be read ({error!r}). Delete what is damaged and try again: "
            f"{names}."
        ) from error


def _parts(name: str) -> list[dict[str, Any]]:
    """List the arguments that ask for the training part, then the test part."""
    if name == "svhn":
        return [{"split": "train"}, {"split": "test"}]
    return [{"train": True}, {"train": False}]


def _files(name: str, cache: Path, *, train: bool) -> dict[Path, str]:
    """List the files torchvision reads for one part, with the MD5 sum of each."""
    dataset = _CLASSES[name]
    if name == "svhn":
        _, file, checksum = dataset.split_list["train" if train else "test"]
        return {cache / file: checksum}
    folder = cache / dataset.base_folder
    meta = (dataset.meta["filename"], dataset.meta["md5"])
    # torchvision wants both parts intact to read either.
    listed = [*dataset.train_list, *dataset.test_list, meta]
    return {folder / file: checksum for file, checksum in listed}


def _arrays(dataset: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Take the arrays out of a torchvision dataset, channels first."""
    if isinstance(dataset, datasets.SVHN):
        return np.ascontiguousarray(dataset.data), dataset.labels.reshape(-1)
    images = np.ascontiguousarray(dataset.data.transpose(0, 3, 1, 2))
    return images, np.asarray(dataset.targets, dtype=np.int64)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Give up on a connection that stays silent for `seconds`."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
