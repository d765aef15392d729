"""Fixtures of the dataset tests: no network, and nothing outside the test's folder."""

import os
from pathlib import Path
from urllib.error import URLError

import pytest
from torchvision import datasets

from tests.data.writers import write_cifar, write_svhn


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Cut off the network, the system's datasets and the checkout's own cache."""

    def refuse(*args, **kwargs):
        raise URLError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setenv("VOGN_SYSTEM_DATA", str(tmp_path / "system"))
    monkeypatch.setenv("VOGN_CACHE", str(tmp_path / "default-cache"))


@pytest.fixture
def cache(tmp_path):
    """Name a cache folder that does not exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def expect_cifar(monkeypatch):
    """Return a function that makes torchvision expect the checksums of small files."""

    def expect(name, checksums):
        dataset = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
        for attribute in ("train_list", "test_list"):
            files = [[file, checksums[file]] for file, _ in getattr(dataset, attribute)]
            monkeypatch.setattr(dataset, attribute, files)
        meta = {**dataset.meta, "md5": checksums[dataset.meta["filename"]]}
        monkeypatch.setattr(dataset, "meta", meta)

    return expect


@pytest.fixture
def expect_svhn(monkeypatch):
    """Do for SVHN what `expect_cifar` does for CIFAR."""

    def expect(checksums):
        files = {
            part: [url, file, checksums.get(file, md5)]
            for part, (url, file, md5) in datasets.SVHN.split_list.items()
        }
        monkeypatch.setattr(datasets.SVHN, "split_list", files)

    return expect


@pytest.fixture
def cifar10(cache, expect_cifar):
    """Write a small CIFAR-10 into the cache; return what was written by part."""
    written, checksums = write_cifar(cache, "cifar10")
    expect_cifar("cifar10", checksums)
    return written


@pytest.fixture
def svhn(cache, expect_svhn):
    """Write a small SVHN into the cache; return what was written by part."""
    written, checksums = write_svhn(cache)
    expect_svhn(checksums)
    return written


@pytest.fixture
def real_fashion(monkeypatch):
    """Let the system's own Fashion-MNIST be found; where CI lacks it the test fails."""
    installed = Path("/usr/share/datasets/fashion-mnist").exists()
    if not installed and os.environ.get("CI") != "true":
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    monkeypatch.delenv("VOGN_SYSTEM_DATA")
