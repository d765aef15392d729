"""Tests of archives: the same content is the same bytes."""

import hashlib
import io
import zipfile

from trainers.parcel.archive import Parcel, packed

FILES = {"b/two.py": b"print(2)\n" * 100, "a.txt": b"one", "w.safetensors": b"0" * 500}


def test_content_and_names_alone_decide_the_bytes():
    first = packed(FILES, "folder")
    again = packed(dict(reversed(FILES.items())), "folder")
    assert first == again
    assert first != packed(FILES, "other")
    assert first != packed(FILES | {"a.txt": b"two"}, "folder")


def test_all_files_are_in_one_folder_readable_and_without_a_time():
    with zipfile.ZipFile(io.BytesIO(packed(FILES, "folder"))) as archive:
        assert archive.testzip() is None
        assert {n: archive.read(f"folder/{n}") for n in FILES} == FILES
        names = [each.filename for each in archive.infolist()]
        assert names == sorted(f"folder/{name}" for name in FILES)
        for each in archive.infolist():
            assert each.date_time == (1980, 1, 1, 0, 0, 0)
            assert each.external_attr >> 16 == 0o100644


def test_weights_are_stored_and_text_is_compressed():
    with zipfile.ZipFile(io.BytesIO(packed(FILES, "f"))) as archive:
        kinds = {e.filename: e.compress_type for e in archive.infolist()}
    assert kinds["f/w.safetensors"] == zipfile.ZIP_STORED
    assert kinds["f/b/two.py"] == zipfile.ZIP_DEFLATED


def test_the_hash_is_that_of_the_bytes():
    assert Parcel("a", b"abc").sha256 == hashlib.sha256(b"abc").hexdigest()
