"""Tests of `data/uploads/keep.py`: what is kept, what is refused, and what is left."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data.catalogue import DatasetError
from data.loaders import load_dataset
from data.own import read_own
from data.uploads import Limits, contents, keep, limits, listing, uploads_folder
from tests.data.uploads.archives import (
    DEVICE,
    SYMLINK,
    arrays,
    classes,
    image,
    labelled,
    overlapping,
    packed,
    patched,
    with_entry,
)

CLIMBING = [
    "../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "c:evil.png",
    "a\\evil.png", "..\\evil.png", "cat/new\nline.png", "cat/nul\x00.png",
]  # fmt: skip


def left_over():
    """What lies in the folder of uploads, but for its lock."""
    folder = uploads_folder()
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    return names - {".lock"}


def refused(source, message, file_name="mine.zip", **options):
    with pytest.raises(DatasetError, match=message):
        keep(source, file_name, **options)
    assert left_over() == set()


def test_a_zip_of_class_folders_is_kept_and_can_be_trained_on():
    members = classes(("cat", "dog"), per_class=10)
    upload = keep(packed(members), "pets.zip")
    own = read_own(upload.path)
    assert own.class_names == ("cat", "dog")
    assert own.images.inputs.shape == (20, 3, 10, 12)
    first = np.asarray(Image.open(io.BytesIO(members["cat/0.png"])))
    np.testing.assert_array_equal(own.images.inputs[0], first.transpose(2, 0, 1))
    loaded = load_dataset("folder", folder=upload.path)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (14, 2, 4)
    assert upload.about["source"] == "pets.zip"
    assert upload.notes == []


def test_grey_images_stay_grey():
    upload = keep(packed(classes(mode="L")), "grey.zip")
    assert read_own(upload.path).images.inputs.shape == (8, 1, 10, 12)


def test_what_systems_leave_behind_is_passed_over():
    members = classes(top="my pets/") | {
        "__MACOSX/my pets/cat/._0.png": b"x", "my pets/.DS_Store": b"x",
        "my pets/cat/Thumbs.db": b"x", "my pets/cat/.hidden.png": b"x",
    }  # fmt: skip
    assert len(read_own(keep(packed(members), "x.zip").path).images) == 8


def test_names_of_classes_may_be_of_any_language():
    upload = keep(packed(classes(("Кошка", "犬 小"))), "x.zip")
    assert read_own(upload.path).class_names == ("Кошка", "犬 小")


def test_the_name_of_a_file_says_nothing_of_its_content():
    members = classes() | {"cat/photo.txt": image(form="jpeg")}
    assert len(read_own(keep(packed(members), "x.zip").path).images) == 9


def test_images_of_several_sizes_are_brought_to_one_and_it_is_told():
    members = classes() | {
        "dog/large.png": image(70, 40),
        "dog/grey.png": image(mode="L"),
    }
    upload = keep(packed(members), "x.zip")
    assert read_own(upload.path).images.inputs.shape == (10, 3, 28, 28)
    assert (
        "came in 2 sizes; each was cut to a square and scaled to 28 x 28"
        in (upload.notes[0])
    )
    assert "1 grey images stand among those in colour" in upload.notes[1]
    assert upload.about["sizes"]["max"] == [70, 40]


def test_a_size_can_be_asked_for():
    upload = keep(packed(classes()), "x.zip", side=32)
    assert read_own(upload.path).images.inputs.shape == (8, 3, 32, 32)
    with pytest.raises(DatasetError, match="side must be from 8 to 1024"):
        keep(packed(classes()), "x.zip", side=5000)


def test_photographs_are_turned_upright_and_lose_where_they_were_taken():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera's right is the picture's top
    exif[0x8825] = {1: "N"}  # a place
    photo = image(form="jpeg", exif=exif)
    members = {f"{name}/{k}.jpg": photo for name in "ab" for k in range(3)}
    upload = keep(packed(members), "x.zip")
    assert read_own(upload.path).images.inputs.shape == (6, 3, 12, 10)
    assert b"Exif" not in upload.path.read_bytes()


def test_transparent_parts_turn_white():
    glass = Image.new("RGBA", (12, 10), (0, 0, 0, 0))
    file = io.BytesIO()
    glass.save(file, "png")
    upload = keep(packed(classes() | {"cat/glass.png": file.getvalue()}), "x.zip")
    assert read_own(upload.path).images.inputs[4].min() == 255


def test_a_test_folder_is_the_test_part():
    members = classes(top="all/train/", per_class=5) | classes(top="all/test/")
    upload = keep(packed(members), "x.zip")
    loaded = load_dataset("folder", folder=upload.path)
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (8, 2, 8)
    assert "test is kept as the test part" in upload.notes[0]


def test_an_npz_is_kept_with_its_test_part_and_names():
    train, test = labelled(60), labelled(9, seed=1)
    source = arrays(
        x_train=train["images"], y_train=train["labels"] + 5, x_test=test["images"],
        y_test=test["labels"][:, None] + 5,
    )  # fmt: skip
    own = read_own(keep(source, "arrays.npz").path)
    assert own.class_names == ("5", "6", "7")
    np.testing.assert_array_equal(own.images.inputs[:, 0], train["images"])
    np.testing.assert_array_equal(own.images.labels, train["labels"])
    np.testing.assert_array_equal(own.test.labels, test["labels"])


def test_an_npz_can_be_scaled():
    own = read_own(keep(arrays(**labelled(shape=(6, 5, 3))), "x.npz", side=16).path)
    assert own.images.inputs.shape == (30, 3, 16, 16)


@pytest.mark.parametrize("name", CLIMBING)
def test_paths_that_lead_out_are_refused(name):
    refused(with_entry(name, image()), "path must")


@pytest.mark.parametrize(
    ("mode", "told"), [(SYMLINK, "symbolic link"), (DEVICE, "a special file")]
)
def test_links_and_devices_are_refused(mode, told):
    refused(with_entry("cat/link.png", b"/etc/passwd", mode), f"link.png.*{told}")


def test_encrypted_members_are_refused():
    refused(with_entry("cat/x.png", image(), flag_bits=1), "must not be encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(method):
    refused(packed(classes(), method), f"zip method {method}")


def test_paths_that_differ_in_capitals_are_refused():
    members = classes() | {"cat/A.png": image(), "cat/a.png": image()}
    refused(packed(members), r"capitals, got 'cat/A.png' and 'cat/a.png'")


def test_classes_that_differ_in_blanks_or_capitals_are_refused():
    members = classes(("cat", "Cat "))
    refused(packed(members), "by more than blanks and capitals, got 'Cat' and 'cat'")


def test_one_path_twice_is_refused():
    refused(with_entry("cat/0.png", image()), "must differ by more than capitals")


def test_a_member_that_unpacks_to_far_more_is_refused():
    bomb = classes() | {"cat/bomb.png": bytes(3 * 2**20)}
    refused(packed(bomb), "bomb.png.*at most 200 times its size.*zip bomb")


def test_members_that_come_to_too_much_are_refused():
    within = replace(Limits(), unpacked=3_000)
    refused(packed(classes()), "must unpack to at most 0.0 MB", within=within)


def test_entries_that_share_their_bytes_are_counted_each():
    within = replace(Limits(), unpacked=20 * 2**20, ratio=10_000)
    refused(overlapping(), "must unpack to at most 20 MB, got 40 MB", within=within)


def test_a_size_that_lies_is_found_while_unpacking():
    # The list of files says 10 bytes: what follows is cut off, and its check sum fails.
    content = image()
    source = with_entry("cat/x.png", content, file_size=10)
    refused(source, "cat/x.png.*(cannot be unpacked|damaged)")


def test_too_many_members_are_refused():
    refused(
        packed(classes()), "at most 5 files, got 8", within=replace(Limits(), members=5)
    )


def test_a_list_of_files_that_is_too_long_is_not_read():
    within = replace(Limits(), directory=100)
    refused(packed(classes()), "list of files of at most", within=within)


def test_an_upload_that_is_too_large_or_empty_is_refused():
    within = replace(Limits(), upload=1_000)
    refused(packed(classes()), "'mine.zip' must have at most 0.0 MB", within=within)
    refused(io.BytesIO(), "not be empty")


@pytest.mark.parametrize("content", [b"no zip at all", b"PK\x05\x06" + bytes(10)])
def test_what_is_no_archive_is_refused(content):
    refused(io.BytesIO(content), "must be a whole .zip or .npz file")


def test_half_an_archive_is_refused():
    content = packed(classes()).getvalue()
    refused(io.BytesIO(content[: len(content) // 2]), "whole .zip or .npz file")


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF",
     packed({"a.png": b"x"}).getvalue()],
)  # fmt: skip
def test_what_is_no_image_is_refused_whatever_it_is_called(content):
    members = classes() | {"dog/9.png": content}
    refused(packed(members), r"'dog/9.png' must be an image \(BMP, .*something else")


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_cut_images_are_refused(form):
    content = image(60, 60, form=form)
    members = classes() | {"dog/cut.png": content[: len(content) // 2]}
    refused(packed(members), "'dog/cut.png' must be a whole image, got a damaged one")


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded():
    vast = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(vast, "png")
    members = classes() | {"cat/vast.png": vast.getvalue()}
    refused(packed(members), "'cat/vast.png' must have at most 50 million pixels")


def test_pixels_beyond_what_pillow_opens_are_refused():
    vast = bytearray(image(mode="L"))
    vast[16:24] = (60_000).to_bytes(4) * 2  # width and height, as the file says
    refused(packed(classes() | {"cat/x.png": bytes(vast)}), "'cat/x.png' must")


def test_images_of_16_bits_are_refused():
    deep = io.BytesIO()
    Image.new("I;16", (12, 10)).save(deep, "png")
    refused(packed(classes() | {"cat/x.png": deep.getvalue()}), "8 bits a channel")


def test_images_that_take_too_much_when_kept_are_refused():
    within = replace(Limits(), unpacked=30_000)
    source = packed(classes())
    refused(
        source, "All images together.*choose a smaller size", side=100, within=within
    )


def test_arrays_of_objects_are_refused_unread():
    objects = np.array([{"evil": 1}] * 30, dtype=object)
    source = arrays(images=labelled()["images"], labels=objects)
    refused(source, "labels must hold numbers or text, got Python objects", "x.npz")


def test_a_class_that_the_test_part_lacks_is_refused():
    members = classes(top="train/") | classes(("cat",), top="test/")
    refused(packed(members), "'dog' must have at least 1 test images, got 0")


def test_damaged_pixels_in_an_npz_leave_nothing():
    file = io.BytesIO()
    np.savez(file, **labelled())
    pixels = labelled()["images"].tobytes()[:40]
    refused(
        patched(file, pixels, bytes(40)), "images cannot be read: Bad CRC-32", "x.npz"
    )


def test_a_disk_that_is_full_is_told_before_anything_is_written():
    within = replace(Limits(), free=2**60)
    refused(packed(classes()), "must have .* GB free, got", within=within)


def test_all_uploads_together_are_limited():
    within = replace(Limits(), kept=5_000)
    keep(packed(classes()), "first.zip", within=within)
    with pytest.raises(DatasetError, match=r"All uploads together.*delete one"):
        keep(packed(classes()), "second.zip", within=within)
    assert left_over() == {"first.npz"}


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), MemoryError()]
)
def test_a_failure_while_writing_leaves_nothing(error, monkeypatch):
    real, calls = contents.pixels_of, []

    def failing(*args):
        calls.append(args)
        if len(calls) == 5:
            raise error
        return real(*args)

    monkeypatch.setattr(contents, "pixels_of", failing)
    with pytest.raises((DatasetError, MemoryError)):
        keep(packed(classes()), "x.zip")
    assert left_over() == set()


def test_an_interruption_leaves_nothing():
    def stopping(share, text):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep(packed(classes()), "x.zip", progress=stopping)
    assert left_over() == set()


def test_progress_is_told_from_nothing_to_all():
    seen = []
    keep(packed(classes()), "x.zip", progress=lambda share, text: seen.append(share))
    assert seen[0] == 0.0
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_a_second_one_of_a_name_gets_a_number():
    names = [keep(packed(classes()), "../my pets!.zip").name for _ in range(3)]
    assert names == ["my pets", "my pets 2", "my pets 3"]
    assert [upload.name for upload in listing()] == sorted(names)


def test_the_limits_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("VOGN_MAX_UPLOAD", "1")
    assert limits().upload == 2**20
    source = io.BytesIO(bytes(2**20 + 1))
    refused(source, "'mine.zip' must have at most 1.0 MB")


def test_arrays_of_images_that_are_too_large_are_refused():
    within = replace(limits(), pixels=29)
    refused(
        arrays(**labelled(shape=(6, 5))), "million pixels, got 5 x 6",
        "mine.npz", within=within,
    )  # fmt: skip
    assert keep(
        arrays(**labelled(shape=(6, 5))), "x.npz", within=replace(within, pixels=30)
    )
