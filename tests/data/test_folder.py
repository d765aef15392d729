"""Tests of the reader of the user's own images: what is read, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from data.catalogue import DatasetError
from data.folder import IMAGE_SUFFIXES, read_folder
from tests.data.writers import write_image_folder


@pytest.fixture
def root(tmp_path):
    """Name a folder holding two classes, cat and dog, of two RGB images each."""
    write_image_folder(tmp_path / "pets", per_class=2)
    return tmp_path / "pets"


def refused(root, message, **kwargs):
    with pytest.raises(DatasetError, match=message):
        read_folder(root, **kwargs)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_reads_every_image_in_order(tmp_path, mode, channels):
    pixels = write_image_folder(tmp_path / "x", ("b", "a", "c"), per_class=3, mode=mode)
    split, classes = read_folder(tmp_path / "x")
    assert classes == ("a", "b", "c")
    assert split.inputs.shape == (9, channels, 5, 6)
    assert split.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for image, path in zip(split.inputs, sorted(pixels), strict=True):
        expected = pixels[path].reshape(5, 6, channels).transpose(2, 0, 1)
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("suffix", [*sorted(IMAGE_SUFFIXES), ".JPG"])
def test_reads_every_format(tmp_path, suffix):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        picture = Image.new("L" if suffix == ".gif" else "RGB", (6, 5), 99)
        picture.save(tmp_path / name / f"one{suffix}")
    assert len(read_folder(tmp_path)[0]) == 2


def test_system_files_are_passed_over(root):
    (root / ".DS_Store").touch()
    (root / "__MACOSX").mkdir()
    (root / "cat" / "Thumbs.db").touch()
    (root / "cat" / ".hidden.png").touch()
    assert len(read_folder(root)[0]) == 4


@pytest.mark.parametrize(
    ("mode", "read_as"),
    [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("CMYK", 3)],
)
def test_modes_are_read_as_grey_or_rgb(tmp_path, mode, read_as):
    suffix = "tif" if mode == "CMYK" else "png"
    picture = Image.new("RGB", (6, 5), (200, 200, 200)).convert(mode)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / f"one.{suffix}")
    assert read_folder(tmp_path)[0].inputs.shape == (2, read_as, 5, 6)


def test_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera's right is the picture's top
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (6, 5)).save(tmp_path / name / "one.jpg", exif=exif)
    assert read_folder(tmp_path)[0].inputs.shape == (2, 3, 6, 5)


def test_missing_folder_is_named(tmp_path):
    refused(
        tmp_path / "nowhere", "nowhere does not exist; it should hold one sub-folder"
    )


def test_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "zip").touch()
    refused(tmp_path / "zip", "zip is not a folder")


def test_folder_without_sub_folders_is_named(tmp_path):
    refused(tmp_path, r"must hold at least 2 sub-folders, one a class, got none\.")


def test_one_class_is_refused_unless_it_is_enough(tmp_path):
    write_image_folder(tmp_path / "x", classes=("only",))
    refused(tmp_path / "x", r"at least 2 sub-folders, one a class, got only\.")
    split, classes = read_folder(tmp_path / "x", min_classes=1)
    assert (len(split), classes) == (10, ("only",))


def test_file_beside_the_class_folders_is_named(root):
    (root / "notes.txt").touch()
    refused(root, r"notes\.txt lies beside the class folders")


def test_empty_class_is_named(root):
    (root / "eel").mkdir()
    refused(root, r"eel must hold at least 1 images, .* got 0\.")


def test_class_with_too_few_images_is_named(root):
    (root / "dog" / "001.png").unlink()
    refused(root, r"dog must hold at least 2 images, .* got 1\.", min_images=2)


def test_folder_inside_a_class_is_named(root):
    (root / "cat" / "kitten").mkdir()
    refused(root, r"kitten is a folder inside a class folder")


@pytest.mark.parametrize("name", ["labels.csv", "model", "clip.mp4"])
def test_stray_file_is_named(root, name):
    (root / "cat" / name).touch()
    refused(root, f"{name} must end in one of .bmp, .*, got '")


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "scrambled"])
def test_unreadable_image_is_named(root, damage):
    path = root / "dog" / "001.png"
    intact = path.read_bytes()
    spoilt = {
        "text": b"not an image",
        "empty": b"",
        "cut": intact[:-40],
        "scrambled": intact[:45] + b"\xff" * (len(intact) - 45),
    }
    path.write_bytes(spoilt[damage])
    refused(root, r"001\.png cannot be read as an image: ")


def test_truncated_jpeg_is_named(root):
    path = root / "dog" / "002.jpg"
    Image.effect_noise((6, 5), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-30])
    refused(root, r"002\.jpg cannot be read as an image: .*truncated")


def test_image_of_another_size_is_named_with_the_size_expected(root):
    Image.new("RGB", (7, 5)).save(root / "dog" / "big.png")
    refused(
        root, r"big\.png is 7 x 5 RGB, but all .* be 6 x 5 RGB as .*cat/000\.png is"
    )


def test_grey_image_among_rgb_is_named(root):
    Image.new("L", (6, 5)).save(root / "dog" / "grey.png")
    refused(root, r"grey\.png is 6 x 5 grey, but all .* 6 x 5 RGB as .*000\.png is\.")


def test_image_of_16_bits_is_named(root):
    Image.new("I;16", (6, 5)).save(root / "dog" / "deep.png")
    refused(root, r"deep\.png must be an image with 8 bits a channel, got mode I")


def test_transparent_image_is_named(root):
    Image.new("RGBA", (6, 5), (1, 2, 3, 128)).save(root / "dog" / "glass.png")
    refused(root, r"glass\.png is transparent in places")


def test_transparent_palette_is_named(root):
    Image.new("P", (6, 5)).save(root / "dog" / "palette.png", transparency=0)
    refused(root, r"palette\.png is transparent in places")


def test_formats_that_no_suffix_stands_for_are_not_opened(root):
    # Pillow would know them by their content, and run programs for some.
    Image.new("RGB", (6, 5)).save(root / "dog" / "other.png", "ppm")
    refused(root, r"other\.png cannot be read as an image")
