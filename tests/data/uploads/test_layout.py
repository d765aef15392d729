"""Tests of `data/uploads/layout.py`."""

import zipfile

import pytest

from data.catalogue import DatasetError
from data.uploads.layout import layout


def members(*paths):
    return [zipfile.ZipInfo(path) for path in paths]


def of(*names, top="", count=3):
    return [f"{top}{name}/{k}.png" for name in names for k in range(count)]


@pytest.mark.parametrize("top", ["", "pets/", "a/b/c/", "./", "train/", "x/train/"])
def test_folders_that_hold_everything_are_left_out(top):
    found = layout(members(*of("dog", "cat", top=top)))
    assert found.class_names == ("cat", "dog")
    assert [len(files) for files in found.images] == [3, 3]
    assert found.test == ()


def test_a_folder_of_validation_images_is_the_test_part_if_there_is_no_other():
    found = layout(members(*of("a", "b", top="train/"), *of("a", "b", top="val/")))
    assert [len(files) for files in found.test] == [3, 3]
    assert found.notes == ("The folder of validation images is kept as the test part.",)


def test_a_folder_of_validation_images_joins_the_training_part_beside_a_test_part():
    parts = ("Train", "valid", "TEST")
    paths = [path for part in parts for path in of("a", "b", top=f"{part}/")]
    found = layout(members(*paths))
    assert [len(files) for files in found.images] == [6, 6]
    assert [len(files) for files in found.test] == [3, 3]
    assert "joins the training part" in found.notes[1]


def test_classes_may_be_called_train_and_test():
    found = layout(members(*of("train", "test")))
    assert found.class_names == ("test", "train")


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        ([], "images in class folders, got none"),
        (["cat/"], "images in class folders, got none"),
        (of("cat"), "at least 2 class folders, got cat"),
        (of("cat", top="pets/"), "at least 2 class folders, got cat"),
        ([*of("cat", "dog"), "notes.txt"], "'notes.txt' must lie in a class folder"),
        ([*of("cat", "dog"), "cat/a/b.png"], "'cat/a/b.png' .* a folder inside one"),
        ([*of("cat", "dog"), "eel/"], "class 'eel' must have at least 3 images, got 0"),
        ([*of("cat", "dog"), *of("eel", count=2)], "'eel' .* 3 images, got 2"),
        (
            [*of("a", "b", top="train/"), *of("a", "b", "c", top="test/")],
            "classes of the training part, got 'c'",
        ),
        (of("a", "b" * 101), "a name of 1 to 100 characters"),
    ],
)
def test_other_folders_are_refused(paths, told):
    with pytest.raises(DatasetError, match=told):
        layout(members(*paths))
