"""Tests of `data/system_files.py`."""

import pytest

from data.system_files import is_system_file


@pytest.mark.parametrize(
    ("name", "is_system"),
    [(".DS_Store", True), ("__MACOSX", True), ("thumbs.db", True), ("Thumbs.db", True),
     ("._a.png", True), ("a.png", False), ("macosx", False), ("thumbs.db.png", False)],
)  # fmt: skip
def test_system_files_are_known_by_their_names(name, is_system):
    assert is_system_file(name) == is_system
