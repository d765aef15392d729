"""Tests of `data/npz.py`."""

import io
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from data.catalogue import DatasetError
from data.npz import ArrayFile
from tests.data.uploads.archives import (
    EMPTY,
    ENDLESS,
    NESTED,
    UNCLOSED,
    long_header,
    with_header,
)


def opened(file):
    return ArrayFile(zipfile.ZipFile(file), "x.npz")


def stored(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_come_in_order_in_pieces(order, monkeypatch):
    monkeypatch.setattr("data.npz._CHUNK", 7 * 12)
    array = np.asarray(np.arange(50 * 12, dtype=np.int8).reshape(50, 3, 4), order=order)
    found = opened(stored(a=array))
    pieces = list(found.rows(found.headers["a"]))
    assert len(pieces) == (8 if order == "C" else 1)
    np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_an_array_that_is_too_large_to_be_read_whole_is_refused(monkeypatch):
    monkeypatch.setattr("data.npz._MAX_WHOLE", 10)
    found = opened(stored(labels=np.arange(3)))
    with pytest.raises(DatasetError, match=r"labels must be at most .* got 0 MB"):
        found.whole(found.headers["labels"])


def test_a_shape_that_the_file_does_not_hold_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("a.npy", "w") as member:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28)}
        npy.write_array_header_1_0(member, header)
        member.write(b"few")
    with pytest.raises(
        DatasetError, match=r"a must hold 28000000000000 bytes .* got 3"
    ):
        opened(file)


def test_objects_are_refused_before_they_are_read():
    with pytest.raises(DatasetError, match="got Python objects"):
        opened(stored(a=np.array([object()])))


def test_what_is_no_array_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", b"text")
    with pytest.raises(DatasetError, match="a cannot be read"):
        opened(file)


@pytest.mark.parametrize("header", [UNCLOSED, NESTED, ENDLESS, EMPTY, "-" * 9_000])
def test_headers_that_are_no_python_are_refused(header):
    with pytest.raises(DatasetError, match=r"labels (cannot be read|must hold)"):
        opened(with_header(header))


def test_an_array_has_a_limit_of_its_own():
    found = opened(stored(labels=np.arange(3)))
    assert found.whole(found.headers["labels"], 24).tolist() == [0, 1, 2]
    with pytest.raises(DatasetError, match=r"labels must be at most 0 MB, got 0 MB"):
        found.whole(found.headers["labels"], 23)


def test_a_long_header_is_refused_before_it_is_read():
    with pytest.raises(DatasetError, match="labels cannot be read: its header must"):
        opened(long_header())


def test_a_header_that_numpy_would_refuse_is_refused_in_our_words():
    many = np.zeros(2, [(f"field{k:04}", "<f4") for k in range(600)])  # 15,000 bytes
    with pytest.raises(DatasetError, match="its header must have at most 10,000 bytes"):
        opened(stored(labels=many))


def test_what_a_mac_puts_beside_the_arrays_is_passed_over():
    file = stored(labels=np.arange(3))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("__MACOSX/._labels.npy", b"\x00\x05\x16\x07")
    assert set(opened(file).headers) == {"labels"}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_single_rows_are_those_of_the_array(save, order):
    file = io.BytesIO()
    array = np.asarray(np.arange(600, dtype=np.int16).reshape(50, 3, 4), order=order)
    save(file, first=np.arange(9), a=array)
    found = opened(file)
    rows = list(found.some(found.headers["a"], [0, 7, 49]))
    np.testing.assert_array_equal(rows, array[[0, 7, 49]])
    assert list(found.some(found.headers["a"], [])) == []


def test_a_shape_below_nothing_is_refused():
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -2), }"
    with pytest.raises(DatasetError, match=r"must not be below 0, got \[-2, -2\]"):
        opened(with_header(text))
