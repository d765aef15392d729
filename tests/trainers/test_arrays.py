"""Tests of files of arrays."""

import numpy as np
import pytest

from trainers.arrays import write_arrays


def test_arrays_are_read_back_by_name(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, {"labels": np.arange(3), "ood_photo-patches": np.eye(2)})
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["labels"], [0, 1, 2])
        np.testing.assert_array_equal(arrays["ood_photo-patches"], np.eye(2))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path, monkeypatch, error):
    path = tmp_path / "a.npz"
    write_arrays(path, {"a": np.zeros(3)})

    def half(file, **_):
        file.write(b"half")
        raise error

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(error):
        write_arrays(path, {"a": np.ones(3)})
    assert [each.name for each in tmp_path.iterdir()] == ["a.npz"]
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["a"], 0)
