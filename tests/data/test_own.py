"""Tests of `data/own.py`."""

import numpy as np
import pytest

from data.catalogue import DatasetError
from data.loaders import load_dataset, load_ood
from data.own import count_own, read_own
from tests.data.uploads.archives import arrays, labelled
from tests.data.writers import write_image_folder


@pytest.fixture
def file(tmp_path):
    """Write an .npz file of 30 grey images in three classes."""
    (tmp_path / "mine.npz").write_bytes(arrays(**labelled()).getvalue())
    return tmp_path / "mine.npz"


def test_a_folder_is_read_as_one(tmp_path):
    write_image_folder(tmp_path / "pets")
    own = read_own(tmp_path / "pets")
    assert own.class_names == ("cat", "dog")
    assert own.test is None
    assert count_own(tmp_path / "pets") == (20, None)


def test_a_file_is_divided_as_a_folder_is(file):
    assert count_own(file) == (30, None)
    data = load_dataset("folder", folder=file)
    assert (len(data.train), len(data.validation), len(data.test)) == (21, 3, 6)
    assert data.input_shape == (1, 6, 5)
    np.testing.assert_array_equal(
        data.train.inputs[:, 0], labelled()["images"][data.train.indices]
    )


def test_a_test_part_is_kept(tmp_path):
    test = labelled(6, seed=1)
    values = labelled() | {"test_images": test["images"], "test_labels": test["labels"]}
    path = tmp_path / "mine.npz"
    path.write_bytes(arrays(**values).getvalue())
    assert count_own(path) == (30, 6)
    data = load_dataset("folder", folder=path, validation_fraction=0.2)
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 6, 6)
    np.testing.assert_array_equal(data.test.inputs[:, 0], test["images"])


def test_a_file_serves_as_an_out_of_distribution_set(file):
    like = load_dataset("digits")
    assert load_ood("folder", like, folder=file).inputs.shape == (30, 1, 8, 8)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (labelled(num_classes=1), "at least 2 classes, got 1"),
        (labelled(5, num_classes=3), "class '2' must have at least 3 images, got 1"),
        (
            labelled() | {"test_images": np.zeros((1, 6, 5)), "test_labels": [0]},
            "class '1' must have at least 1 test images, got 0",
        ),
    ],
)
def test_a_file_with_too_little_is_named(tmp_path, values, told):
    path = tmp_path / "mine.npz"
    path.write_bytes(arrays(**values).getvalue())
    with pytest.raises(DatasetError, match=rf"mine\.npz: .*{told}"):
        load_dataset("folder", folder=path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.npz must be an \.npz file"):
        read_own(tmp_path / "gone.npz")
