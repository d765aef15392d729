"""Tests of `data/image_file.py`."""

import numpy as np
import pytest

from data.catalogue import DatasetError
from data.image_file import ImageFile
from data.npz import ArrayFile
from tests.data.uploads.archives import arrays, labelled

LABELS = np.arange(30) % 3


def read(**values):
    with ImageFile.opened(arrays(**values), "x.npz") as file:
        pixels = np.concatenate(list(file.chunks()))
        return file, pixels


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("x_train", "y_train"), ("X", "y"), ("data", "targets"),
     ("train_images", "train_labels")],
)  # fmt: skip
def test_arrays_go_by_several_names(images, labels):
    values = labelled()
    file, pixels = read(**{images: values["images"], labels: values["labels"]})
    np.testing.assert_array_equal(pixels, values["images"])
    assert file.labels.tolist() == LABELS.tolist()
    assert file.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("shape", "found"),
    [((6, 5), (6, 5)), ((6, 5, 1), (6, 5)), ((1, 6, 5), (6, 5)),
     ((6, 5, 3), (6, 5, 3)), ((3, 6, 5), (6, 5, 3))],
)  # fmt: skip
def test_images_come_in_several_shapes(shape, found):
    _, pixels = read(**labelled(shape=shape))
    assert pixels.shape == (30, *found)


def test_channels_first_are_turned():
    values = labelled(shape=(3, 6, 5))
    _, pixels = read(**values)
    np.testing.assert_array_equal(pixels, values["images"].transpose(0, 2, 3, 1))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int64, bool])
def test_numbers_of_several_kinds_are_the_same_pixels(kind):
    whole = labelled()["images"]
    if kind is bool:
        whole = np.where(whole > 127, 255, 0).astype(np.uint8)
    scaled = whole if kind is np.int64 else whole / 255
    _, pixels = read(images=scaled.astype(kind), labels=LABELS)
    np.testing.assert_array_equal(pixels, whole)


def test_validation_images_join_the_others():
    values = labelled()
    file, pixels = read(
        train_images=values["images"][:20], train_labels=LABELS[:20, None],
        val_images=values["images"][20:], val_labels=LABELS[20:, None],
        test_images=values["images"][:3], test_labels=LABELS[:3, None],
    )  # fmt: skip
    np.testing.assert_array_equal(pixels, values["images"])
    assert file.labels.tolist() == LABELS.tolist()
    assert file.test_labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["U", "S"])
def test_labels_and_names_may_be_text(kind):
    names = np.array(["cat", "dog", "eel"], dtype=kind)
    file, _ = read(images=labelled()["images"], labels=names[LABELS])
    assert file.class_names == ("cat", "dog", "eel")
    file, _ = read(**labelled(), class_names=names)
    assert file.class_names == ("cat", "dog", "eel")


def test_some_images_are_taken_by_row_and_no_others_are_looked_at():
    pixels = labelled()["images"].astype(np.int16)
    pixels[5] = 999  # which a training would refuse
    values = {
        "train_images": pixels[:20], "train_labels": LABELS[:20],
        "val_images": pixels[20:], "val_labels": LABELS[20:],
    }  # fmt: skip
    with ImageFile.opened(arrays(**values)) as file:
        found = file.take([0, 7, 20, 29])
    np.testing.assert_array_equal(found, pixels[[0, 7, 20, 29]])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"images": np.zeros((30, 5))}, r"of shape \[N, H, W\] .*, got \[30, 5\]"),
        ({"images": np.zeros((30, 5, 5, 2))}, r"got \[30, 5, 5, 2\]"),
        ({"images": np.zeros((0, 5, 5))}, r"got \[0, 5, 5\]"),
        ({"images": np.full((30, 5, 5), "x")}, "must be whole numbers from 0 to 255"),
        ({"images": np.full((30, 5, 5), np.nan)}, "from 0 to 1, got nan to nan"),
        ({"images": np.full((30, 5, 5), 9.0)}, "fractions from 0 to 1, got 9.0"),
        ({"images": np.full((30, 5, 5), 300)}, "from 0 to 255, got 300"),
        ({"images": np.full((30, 5, 5), -1)}, "from 0 to 255, got -1"),
        ({"labels": np.arange(29)}, r"labels must be of shape \[30\], .* got \[29\]"),
        ({"labels": np.eye(30)}, r"got \[30, 30\]"),
        ({"labels": np.linspace(0, 1, 30)}, "whole numbers or text, got float64"),
        ({"class_names": np.arange(3)}, r"class_names must be text of shape \[C\]"),
        ({"class_names": np.array(["a", "b"])}, "among the 2 classes 0, 1, got 2"),
        ({"class_names": np.array(["a", "b", "a"])}, "got 'a' and 'a'"),
        ({"class_names": np.array([b"\xff", b"b", b"c"])}, "text in UTF-8"),
        ({"test_images": np.zeros((2, 9, 9))}, r"of the size of images, .* got \(9, 9"),
        ({"test_images": np.zeros((2, 6, 5))}, "test_labels must be there"),
    ],
)
def test_other_arrays_are_refused(changed, told):
    with pytest.raises(DatasetError, match=told):
        read(**(labelled() | changed))


def test_missing_arrays_are_named():
    with pytest.raises(DatasetError, match=r"must be an array images \(or .* got a\."):
        read(a=np.zeros(3))
    with pytest.raises(DatasetError, match="labels must be there beside images"):
        read(images=labelled()["images"])


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"text")
    with (
        pytest.raises(DatasetError, match=r"x\.npz must be an \.npz file"),
        ImageFile.opened(tmp_path / "x.npz"),
    ):
        pass


@pytest.mark.parametrize(
    ("large", "told"),
    [
        ({"class_names": np.zeros(10_001, "U2")}, "at most 10000 classes, got 10001"),
        ({"class_names": np.zeros(3, "U1025")}, "at most 4,096 bytes each, got 4,100"),
        ({"labels": np.zeros(30, "S4097")}, "at most 4,096 bytes each, got 4,097"),
    ],
)
def test_labels_and_names_that_are_too_large_are_not_read(large, told, monkeypatch):
    read, whole = [], ArrayFile.whole
    monkeypatch.setattr(
        ArrayFile,
        "whole",
        lambda self, header, most=None: (
            read.append(header.name) or whole(self, header, most)
        ),
    )
    with pytest.raises(DatasetError, match=told):
        opened_only(**labelled() | large)
    assert not {*large} & {*read}


def test_labels_have_a_limit(monkeypatch):
    monkeypatch.setattr("data.image_file._MAX_LABELS", 100)
    with pytest.raises(DatasetError, match="labels must be at most 0 MB, got 0 MB"):
        opened_only(**labelled())


def opened_only(**values):
    with ImageFile.opened(arrays(**values), "x.npz"):
        pass
