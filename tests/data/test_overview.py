"""Tests of `data/overview.py`."""

import numpy as np
import pytest
from PIL import Image

from data import overview as module
from data.catalogue import DatasetError
from data.overview import overview
from tests.data.uploads.archives import arrays, labelled
from tests.data.writers import write_image_folder


def test_a_folder_is_counted_and_measured(tmp_path):
    write_image_folder(tmp_path / "pets", per_class=5)
    Image.new("L", (9, 3)).save(tmp_path / "pets" / "dog" / "zero.png")
    (tmp_path / "pets" / ".DS_Store").touch()
    found = overview(tmp_path / "pets", per_class=2)
    assert found.class_names == ("cat", "dog")
    assert found.counts == (5, 6)
    assert (found.smallest, found.median, found.largest) == ((6, 3), (6, 5), (9, 5))
    assert (found.num_sizes, found.num_grey, found.num_opened) == (2, 1, 11)
    assert {name: len(images) for name, images in found.samples.items()} == {
        "cat": 2, "dog": 2,
    }  # fmt: skip
    assert found.samples["cat"][0].shape == (5, 6, 3)
    assert not found.is_partial


def test_a_file_is_counted_with_its_test_part(tmp_path):
    values = labelled(31) | {
        "test_images": np.zeros((3, 6, 5)),
        "test_labels": [0, 1, 2],
    }
    path = tmp_path / "mine.npz"
    path.write_bytes(arrays(**values).getvalue())
    found = overview(path, per_class=3)
    assert (found.counts, found.test_counts) == ((11, 10, 10), (1, 1, 1))
    assert found.total == 34
    assert found.median == (5, 6)
    assert found.num_grey == found.num_opened == 34
    np.testing.assert_array_equal(found.samples["1"][2], values["images"][7])


def test_work_on_a_folder_is_bounded(tmp_path, monkeypatch):
    write_image_folder(tmp_path / "pets", per_class=5)
    monkeypatch.setattr(module, "MAX_FILES", 7)
    monkeypatch.setattr(module, "MAX_OPENED", 4)
    found = overview(tmp_path / "pets")
    assert found.total == 7
    assert found.is_partial
    assert found.num_opened == 4


@pytest.mark.parametrize("name", ["gone", "gone.npz"])
def test_what_is_not_there_is_named(tmp_path, name):
    with pytest.raises(DatasetError, match=name):
        overview(tmp_path / name)


def test_a_damaged_image_is_named(tmp_path):
    write_image_folder(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "000.png").write_bytes(b"text")
    with pytest.raises(DatasetError, match=r"000\.png cannot be read as an image"):
        overview(tmp_path / "pets")


def test_a_folder_without_classes_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"at least 2 sub-folders, .* got none"):
        overview(tmp_path)


def test_of_very_many_classes_some_are_opened(tmp_path, monkeypatch):
    write_image_folder(tmp_path / "pets", [f"{k}" for k in range(9)], per_class=2)
    monkeypatch.setattr(module, "MAX_OPENED", 3)
    found = overview(tmp_path / "pets")
    assert len(found.counts) == 9
    assert (found.num_opened, list(found.samples)) == (3, ["0", "3", "6"])


def test_a_first_class_that_is_very_large_does_not_hide_the_others(
    tmp_path, monkeypatch
):
    write_image_folder(tmp_path / "pets", per_class=5)
    monkeypatch.setattr(module, "MAX_FILES", 3)
    found = overview(tmp_path / "pets")
    assert (found.class_names, found.counts) == (("cat",), (3,))
    assert (found.num_classes, found.is_partial) == (2, True)


def test_what_a_training_refuses_is_noted(tmp_path):
    write_image_folder(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "notes.txt").touch()
    assert "notes.txt must end in one of" in overview(tmp_path / "pets").misplaced


def test_formats_of_other_names_are_not_opened(tmp_path):
    write_image_folder(tmp_path / "pets")
    Image.new("RGB", (6, 5)).save(tmp_path / "pets" / "cat" / "000.png", "ppm")
    with pytest.raises(DatasetError, match=r"000\.png cannot be read as an image"):
        overview(tmp_path / "pets")


def test_images_that_are_not_reached_are_not_said_to_be_missing(tmp_path, monkeypatch):
    write_image_folder(tmp_path / "pets")
    for k in range(11):
        (tmp_path / "pets" / "cat" / f"{k}.txt").touch()
        (tmp_path / "pets" / "cat" / f"00{k % 10}.png").unlink(missing_ok=True)
    monkeypatch.setattr(module, "MAX_FILES", 1)
    with pytest.raises(DatasetError, match=r"\.txt must end in one of"):
        overview(tmp_path / "pets")
