"""Tests of the border to torchvision: genuine formats, damage, and downloads."""

import gzip
import io
import shutil
import socket
import sys
import tarfile
import warnings
from http.client import IncompleteRead

import numpy as np
import pytest
from torchvision import datasets

from data import download
from data.catalogue import DatasetError
from data.images import read_part
from tests.data.writers import (
    md5,
    svhn_path,
    write_cifar,
    write_idx_set,
)


class Response(io.BytesIO):
    """An answer of a server, as far as torchvision looks at it."""

    def __init__(self, url, content):
        super().__init__(content)
        self.url = url
        self.length = len(content)


@pytest.fixture
def serve(monkeypatch):
    """Return a function that answers requests from a folder, and the requests made."""

    def start(folder):
        requests = []

        def answer(request):
            requests.append(request.full_url)
            content = (folder / request.full_url.rsplit("/", 1)[1]).read_bytes()
            return Response(request.full_url, content)

        monkeypatch.setattr("urllib.request.urlopen", answer)
        return requests

    return start


@pytest.fixture
def kmnist_server(serve, tmp_path, monkeypatch):
    """Serve a small KMNIST; return what was written and the requests made."""
    written = write_idx_set(tmp_path / "server")
    files = [[f, md5(tmp_path / "server" / f)] for f, _ in datasets.KMNIST.resources]
    monkeypatch.setattr(datasets.KMNIST, "resources", files)
    return written, serve(tmp_path / "server")


def test_fetch_brings_an_idx_set_once(kmnist_server, cache):
    _, requests = kmnist_server
    download.fetch("kmnist", cache)
    assert (cache / "KMNIST" / "raw" / "t10k-labels-idx1-ubyte").is_file()
    num_requests = len(requests)
    assert num_requests > 0
    download.fetch("kmnist", cache)
    assert len(requests) == num_requests


def test_fetched_set_is_read(kmnist_server, cache):
    written, _ = kmnist_server
    part = read_part("kmnist", train=True, cache=cache)
    np.testing.assert_array_equal(part.inputs[:, 0], written[True][0])


def test_fetch_brings_both_parts_of_svhn(serve, tmp_path, cache, svhn):
    requests = serve(cache)
    download.fetch("svhn", tmp_path / "elsewhere")
    assert svhn_path(tmp_path / "elsewhere", train=False).is_file()
    assert svhn_path(tmp_path / "elsewhere", train=True).is_file()
    assert requests


def test_fetch_of_a_changed_file_fails(serve, tmp_path, cache):
    write_idx_set(tmp_path / "server")
    serve(tmp_path / "server")
    with pytest.raises(RuntimeError, match="corrupted"):
        download.fetch("kmnist", cache)


@pytest.mark.parametrize("error", [TimeoutError("silence"), IncompleteRead(b"")])
def test_every_way_to_lose_the_line_is_a_fetch_error(monkeypatch, cache, error):
    timeouts = []

    def drop(request):
        timeouts.append(socket.getdefaulttimeout())
        raise error

    before = socket.getdefaulttimeout()
    monkeypatch.setattr("urllib.request.urlopen", drop)
    with pytest.raises(download.FETCH_ERRORS):
        download.fetch("cifar10", cache)
    assert timeouts[0] == 30
    assert socket.getdefaulttimeout() == before


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_as_python_2_pickled_it_is_read(cache, expect_cifar, name):
    written, checksums = write_cifar(cache, name)
    expect_cifar(name, checksums)
    for train in (True, False):
        images, labels = download.read(name, cache, train=train)
        np.testing.assert_array_equal(images, written[train][0])
        np.testing.assert_array_equal(labels, written[train][1])
        assert images.flags.c_contiguous


def test_warning_of_some_numpys_about_old_pickles_is_not_passed_on(
    cache, cifar10, monkeypatch
):
    arrays = download._arrays

    def warn(dataset):
        warnings.warn("dtype(): align should be passed as a boolean", stacklevel=2)
        return arrays(dataset)

    monkeypatch.setattr(download, "_arrays", warn)
    assert len(download.read("cifar10", cache, train=False)[1]) == 100


def test_svhn_has_the_digit_0_as_label_0(cache, svhn):
    for train in (True, False):
        images, labels = download.read("svhn", cache, train=train)
        np.testing.assert_array_equal(images, svhn[train][0])
        np.testing.assert_array_equal(labels, svhn[train][1])


def test_cifar_file_with_a_wrong_checksum_is_named(cache, cifar10):
    path = cache / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"try again: \S*data_batch_3\.$"):
        download.read("cifar10", cache, train=True)


def test_cifar_names_with_a_wrong_checksum_are_named(cache, cifar10):
    (cache / "cifar-10-batches-py" / "batches.meta").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"try again: \S*batches\.meta\.$"):
        download.read("cifar10", cache, train=False)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02}.", b"not a pickle", b"\x80\x02]."], ids=repr
)
def test_cifar_that_cannot_be_unpickled_is_named(cache, cifar10, expect_cifar, content):
    folder = cache / "cifar-10-batches-py"
    (folder / "test_batch").write_bytes(content)
    expect_cifar("cifar10", {path.name: md5(path) for path in folder.iterdir()})
    with pytest.raises(DatasetError, match=r"cifar10 cannot be read .*test_batch"):
        download.read("cifar10", cache, train=False)


def test_truncated_svhn_is_named(cache, svhn):
    path = svhn_path(cache, train=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"try again: \S*train_32x32\.mat\.$"):
        download.read("svhn", cache, train=True)
    assert len(download.read("svhn", cache, train=False)[1]) == 20


@pytest.mark.parametrize("keep", [0, 60, 150, 2_000, -100])
def test_svhn_that_scipy_cannot_read_is_named(cache, svhn, expect_svhn, keep):
    path = svhn_path(cache, train=False)
    path.write_bytes(path.read_bytes()[:keep])
    expect_svhn({path.name: md5(path)})
    with pytest.raises(DatasetError, match=r"svhn cannot be read .*test_32x32\.mat\.$"):
        download.read("svhn", cache, train=False)


def test_svhn_without_scipy_says_so(cache, svhn, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DatasetError, match=r"svhn needs a package .* scipy"):
        download.read("svhn", cache, train=False)


def test_packed_archive_put_into_the_cache_is_unpacked(cache, cifar10, monkeypatch):
    """Someone without a network may bring torchvision's archive by hand."""
    archive = cache / datasets.CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cache / datasets.CIFAR10.base_folder, datasets.CIFAR10.base_folder)
    shutil.rmtree(cache / datasets.CIFAR10.base_folder)
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive))
    download.fetch("cifar10", cache)
    assert len(download.read("cifar10", cache, train=False)[1]) == 100


def test_cut_archive_is_a_fetch_error(tmp_path, serve, cache, monkeypatch):
    server = tmp_path / "server"
    server.mkdir()
    archive = server / datasets.CIFAR10.filename
    archive.write_bytes(gzip.compress(b"not a tar file")[:-4])
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive))
    serve(server)
    with pytest.raises(download.FETCH_ERRORS):
        download.fetch("cifar10", cache)
