"""Tests of the built-in image sets: where they are looked for, and what is refused."""

import gzip
import re

import numpy as np
import pytest
import scipy.io

from data.catalogue import DATASETS, DatasetError
from data.images import IMAGE_SETS, is_available, read_part
from tests.data.writers import idx_bytes, labelled_images, md5, svhn_path, write_idx_set

IDX_SETS = {"fashion-mnist": "FashionMNIST", "mnist": "MNIST", "kmnist": "KMNIST"}


def assert_part_equals(part, written):
    images, labels = written
    np.testing.assert_array_equal(part.inputs.reshape(images.shape), images)
    np.testing.assert_array_equal(part.labels, labels)
    assert part.indices.tolist() == list(range(len(images)))
    assert part.inputs.dtype == np.uint8
    assert part.labels.dtype == np.int64


def test_image_sets_are_those_with_an_official_test_part():
    official = {n for n, s in DATASETS.items() if s.test_size and not s.ood_only}
    assert set(IMAGE_SETS) == official


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", IDX_SETS)
def test_idx_set_is_read_from_torchvisions_layout(cache, name, packed):
    written = write_idx_set(cache / IDX_SETS[name] / "raw", packed=packed)
    assert is_available(name, cache=cache)
    for train in (True, False):
        part = read_part(name, train=train, cache=cache)
        assert part.inputs.shape[1:] == (1, 28, 28)
        assert_part_equals(part, written[train])


def test_folders_are_tried_in_order(cache, tmp_path):
    folders = [tmp_path / "system" / "mnist", cache / "mnist", cache / "MNIST" / "raw"]
    for count, folder in enumerate(folders, start=10):
        write_idx_set(folder, num_test=count)
        assert len(read_part("mnist", train=False, cache=cache)) == count


def test_folder_that_lacks_a_file_is_passed_over(cache, tmp_path):
    write_idx_set(cache / "mnist", num_test=10)
    (cache / "mnist" / "train-labels-idx1-ubyte.gz").unlink()
    assert not is_available("mnist", cache=cache)
    write_idx_set(tmp_path / "system" / "mnist", num_test=11)
    assert len(read_part("mnist", train=False, cache=cache)) == 11


def test_system_set_leaves_no_cache_behind(cache, tmp_path):
    write_idx_set(tmp_path / "system" / "kmnist")
    read_part("kmnist", train=False, cache=cache)
    assert not cache.exists()


def test_environment_names_the_cache(tmp_path):
    write_idx_set(tmp_path / "default-cache" / "mnist")
    assert is_available("mnist")


@pytest.mark.parametrize("name", ["cifar10", "svhn"])
def test_set_read_by_torchvision(cache, name, request):
    assert not is_available(name, cache=cache)
    written = request.getfixturevalue(name)
    assert is_available(name, cache=cache)
    for train in (True, False):
        assert_part_equals(read_part(name, train=train, cache=cache), written[train])


@pytest.mark.parametrize("name", ["digits", "photo-patches", "moons", "folder"])
def test_sets_that_need_no_network_are_available(name, cache):
    assert is_available(name, cache=cache)


def test_availability_of_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="name must be one of"):
        is_available("imagenet")


@pytest.mark.parametrize("name", IMAGE_SETS)
def test_failed_download_says_what_was_tried_and_what_to_do(cache, name):
    expected = f"^{name} is not on this machine and its download failed. Looked for .*"
    expected += f"in {re.escape(str(cache))}.*no network in tests.*Put these files"
    with pytest.raises(DatasetError, match=expected) as caught:
        read_part(name, train=True, cache=cache)
    debian = "install Debian's package dataset-fashion-mnist"
    assert (debian in str(caught.value)) == (name == "fashion-mnist")


def test_failed_download_names_the_files_that_were_missing(cache):
    write_idx_set(cache / "mnist")
    (cache / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    missing = f"; t10k-labels-idx1-ubyte in {re.escape(str(cache / 'mnist'))};"
    with pytest.raises(DatasetError, match=missing):
        read_part("mnist", train=True, cache=cache)


def test_damaged_idx_file_is_named(cache):
    write_idx_set(cache / "mnist")
    path = cache / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"t10k-images-idx3-ubyte\.gz is a damaged"):
        read_part("mnist", train=False, cache=cache)
    assert len(read_part("mnist", train=True, cache=cache)) == 40


def overwrite_test_part(folder, images, labels):
    for stem, array in (("images-idx3", images), ("labels-idx1", labels)):
        path = folder / f"t10k-{stem}-ubyte.gz"
        path.write_bytes(gzip.compress(idx_bytes(array)))


def test_images_of_another_size_are_refused(cache):
    write_idx_set(cache / "mnist")
    overwrite_test_part(cache / "mnist", *labelled_images(5, (27, 28)))
    with pytest.raises(
        DatasetError, match=r"of shape \(1, 28, 28\), got \(1, 27, 28\)\."
    ):
        read_part("mnist", train=False, cache=cache)


def test_part_without_images_is_refused(cache):
    write_idx_set(cache / "mnist")
    overwrite_test_part(cache / "mnist", *labelled_images(0, (28, 28)))
    with pytest.raises(DatasetError, match=r"t10k-images.* holds no images\."):
        read_part("mnist", train=False, cache=cache)


def test_label_out_of_range_is_refused(cache, svhn, expect_svhn):
    content = {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [11]])}
    path = svhn_path(cache, train=False)
    scipy.io.savemat(path, content)
    expect_svhn({path.name: md5(path)})
    with pytest.raises(DatasetError, match=r"hold labels from 0 to 9, got 1 to 11\."):
        read_part("svhn", train=False, cache=cache)


def test_real_fashion_mnist_is_whole(real_fashion, cache):
    assert is_available("fashion-mnist", cache=cache)
    spec = DATASETS["fashion-mnist"]
    for train, size in ((True, spec.train_size), (False, spec.test_size)):
        part = read_part("fashion-mnist", train=train, cache=cache)
        assert np.bincount(part.labels).tolist() == [size // 10] * 10
