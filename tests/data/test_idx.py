"""Tests of the idx reader: both forms, and every kind of damage."""

import gzip

import numpy as np
import pytest

from data.catalogue import DatasetError
from data.idx import read_idx, read_idx_pair
from tests.data.writers import idx_bytes, labelled_images


@pytest.fixture
def images():
    return labelled_images(4, (3, 5))[0]


def written(tmp_path, content, name="file-idx3-ubyte"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_reads_what_was_written(tmp_path, images, packed):
    content = idx_bytes(images)
    path = written(tmp_path, content)
    if packed:
        path = written(tmp_path, gzip.compress(content), "file-idx3-ubyte.gz")
    array = read_idx(path, num_axes=3)
    np.testing.assert_array_equal(array, images)
    assert array.dtype == np.uint8
    array[:] = 0  # writable: torch warns of arrays that are not


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"absent-ubyte is missing\."):
        read_idx(tmp_path / "absent-ubyte", num_axes=1)


def test_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"cannot be read: .*[Dd]irectory"):
        read_idx(tmp_path, num_axes=1)


def test_file_that_is_not_gzip_is_named(tmp_path, images):
    path = written(tmp_path, idx_bytes(images), "plain.gz")
    with pytest.raises(DatasetError, match=r"plain\.gz is not an intact gzip file"):
        read_idx(path, num_axes=3)


@pytest.mark.parametrize("damage", ["cut", "scrambled"])
def test_damaged_gzip_file_is_named(tmp_path, images, damage):
    packed = gzip.compress(idx_bytes(images))
    spoilt = packed[:-12] if damage == "cut" else packed[:12] + b"\xff" * 40
    path = written(tmp_path, spoilt, "spoilt.gz")
    with pytest.raises(DatasetError, match=r"spoilt\.gz is a damaged gzip file"):
        read_idx(path, num_axes=3)


def test_gzip_file_with_a_wrong_checksum_is_named(tmp_path, images):
    packed = bytearray(gzip.compress(idx_bytes(images)))
    packed[-8] ^= 1
    path = written(tmp_path, bytes(packed), "sum.gz")
    with pytest.raises(DatasetError, match=r"sum\.gz is not an intact gzip file: CRC"):
        read_idx(path, num_axes=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:-1], r"is truncated: shape \[4, 3, 5\] needs 76 bytes, got 75\."),
        (
            lambda c: c + b"\0",
            r"has extra bytes: shape \[4, 3, 5\] needs 76 .*got 77\.",
        ),
        (lambda c: c[:9], r"is truncated: its header needs 16 bytes, got 9\."),
        (lambda c: b"", "got an empty file"),
        (lambda c: b"\x1f\x8b" + c[2:], r"\(first bytes 00000803\), got 1f8b0803\."),
        (lambda c: c[:2] + b"\x0d" + c[3:], r"an idx file of bytes .* got 00000d03\."),
        (lambda c: c[:3] + b"\x01" + c[4:], r"with 3 axes .* got 00000801\."),
        (lambda c: c[:4] + b"\xff" * 12 + c[16:], "is truncated"),
    ],
)
def test_wrong_content_is_named(tmp_path, images, change, message):
    path = written(tmp_path, change(idx_bytes(images)), "wrong")
    with pytest.raises(DatasetError, match="wrong.*" + message):
        read_idx(path, num_axes=3)


def pair(tmp_path, images, labels):
    return (
        written(tmp_path, idx_bytes(images), "images"),
        written(tmp_path, idx_bytes(labels), "labels"),
    )


def test_pair_is_read_together(tmp_path, images):
    read, labels = read_idx_pair(*pair(tmp_path, images, [0, 1, 2, 0]), num_classes=3)
    np.testing.assert_array_equal(read, images)
    assert labels.tolist() == [0, 1, 2, 0]


def test_counts_that_differ_name_both_files(tmp_path, images):
    files = pair(tmp_path, images, [0, 1, 2])
    with pytest.raises(
        DatasetError, match=r"labels must have a label .*images, got 3 labels and 4 im"
    ):
        read_idx_pair(*files, num_classes=3)


def test_label_out_of_range_is_named(tmp_path, images):
    files = pair(tmp_path, images, [0, 1, 3, 0])
    with pytest.raises(
        DatasetError, match=r"labels must have labels from 0 to 2, got 3"
    ):
        read_idx_pair(*files, num_classes=3)
