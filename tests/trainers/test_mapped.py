"""Tests of `trainers/mapped.py`."""

import random
import zipfile

import numpy as np
import pytest

from tests.data.uploads.archives import long_header
from trainers.mapped import MissingFileError, array_names, mapped_array
from trainers.runs import RunError

ARRAYS = {
    "floats": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "columns_first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bytes": np.arange(5, dtype=np.uint8),
    "one": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
    "words": np.array(["a", "<b>"]),
    "swapped": np.arange(4, dtype=">i4"),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_that_were_saved(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, **ARRAYS)
    assert array_names(path) == list(ARRAYS)
    for name, array in ARRAYS.items():
        found = mapped_array(path, name)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.shape == array.shape


def test_stored_arrays_are_mapped_and_cannot_be_written_to(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **ARRAYS)
    before = path.read_bytes()
    for name in ("floats", "columns_first"):
        found = mapped_array(path, name)
        assert isinstance(found, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 1
    assert path.read_bytes() == before
    np.savez_compressed(path, **ARRAYS)
    assert not isinstance(mapped_array(path, "floats"), np.memmap)


def test_a_mapped_array_outlives_a_replaced_file(tmp_path):
    path, other = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(path, a=np.zeros(1000))
    np.savez(other, a=np.ones(3))
    found = mapped_array(path, "a")
    other.replace(path)
    assert found.sum() == 0
    assert mapped_array(path, "a").sum() == 3


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_objects_are_refused(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, a=np.array([{"run": "code"}], dtype=object))
    with pytest.raises(RunError, match=r"a in .*a\.npz cannot be read"):
        mapped_array(path, "a")


def test_what_is_not_there_is_told(tmp_path):
    path = tmp_path / "a.npz"
    for ask in (lambda: array_names(path), lambda: mapped_array(path, "a")):
        with pytest.raises(MissingFileError, match=r"a\.npz is missing"):
            ask()
    np.savez(path, a=np.zeros(3))
    with pytest.raises(RunError, match="b in"):
        mapped_array(path, "b")
    path.write_text("no archive")
    with pytest.raises(RunError, match="not a zip file"):
        array_names(path)


@pytest.mark.parametrize(
    "shape", ["(9,)", "(7,)", "(-8,)", "(2**70,)", "(4294967296, 4294967296)", "()"]
)
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_header_that_lies_about_the_size_is_refused(tmp_path, shape, kind):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = text.ljust(117).encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("a.npy", content + bytes(64))
    with pytest.raises(RunError):
        mapped_array(path, "a")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_of_any_byte_raises_nothing_else(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, a=np.arange(4, dtype=np.float32), b=np.asfortranarray(np.ones((2, 3))))
    whole, generator = path.read_bytes(), random.Random(0)
    told = 0
    for place in range(len(whole)):
        for value in {generator.randrange(256), whole[place] ^ 1}:
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            told += _told(path)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert _told(path) == 2
    assert told > 200


def _told(path):
    told = 0
    for name in "ab":
        try:
            mapped_array(path, name)
        except RunError:
            told += 1
    return told


def test_a_long_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(long_header("a").getvalue())
    with pytest.raises(RunError, match=r"a in .* its header must have at most 10,000"):
        mapped_array(path, "a")
