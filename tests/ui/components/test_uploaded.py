"""Tests of `ui/components/uploaded.py`: pictures from strangers."""

import base64
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from data.adapt import adapt_images
from ui.components import uploaded
from ui.components.uploaded import (
    MAX_BYTES,
    PictureError,
    cut_out,
    decoded,
    drawn,
    fitted,
    is_light_on_dark,
)

PIXELS = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3


def saved(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width, height, data=b""):
    def chunk(name, content):
        check = zlib.crc32(name + content)
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_each_format_is_read_whatever_its_name(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decoded(saved(Image.fromarray(PIXELS), kind, **options))
    assert (found.mode, found.size) == ("RGB", (4, 6))
    if kind in {"PNG", "BMP", "WEBP"}:
        np.testing.assert_array_equal(np.asarray(found), PIXELS)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
     b"%PDF-1.7", b"PK\x03\x04", b"\x80\x04}.", b"GIF89a", b"\x89PNG\r\n\x1a\n"],
)  # fmt: skip
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(PictureError, match=r"no picture of a kind|damaged"):
        decoded(content)


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(kind):
    with pytest.raises(PictureError, match="no picture of a kind"):
        decoded(saved(Image.new("RGB", (32, 32)), kind))


@pytest.mark.parametrize(("width", "height"), [(5000, 5000), (60_000, 60_000)])
def test_a_bomb_is_refused_before_its_pixels_are_unpacked(width, height, monkeypatch):
    def unpacked(self):
        raise AssertionError("its pixels were asked for")

    monkeypatch.setattr(Image.Image, "load", unpacked)
    bomb = png_header(width, height, zlib.compress(bytes(10**6)))
    with pytest.raises(PictureError, match="million pixels"):
        decoded(bomb)


def test_too_large_a_file_is_refused_unread():
    with pytest.raises(PictureError, match="at most 8 MB"):
        decoded(bytes(MAX_BYTES + 1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_a_truncated_file_is_refused(kind):
    rng = np.random.default_rng(0)
    whole = saved(Image.fromarray(rng.integers(0, 255, (60, 60, 3), np.uint8)), kind)
    with pytest.raises(PictureError, match=r"damaged|no picture"):
        decoded(whole[: len(whole) // 2])


def test_any_damage_ends_in_our_error():
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        whole = saved(Image.fromarray(PIXELS), kind)
        for _ in range(60):
            broken = bytearray(whole)
            for place in rng.integers(0, len(whole), 4):
                broken[place] = rng.integers(256)
            try:
                decoded(bytes(broken))
            except PictureError:
                continue


def test_a_picture_is_turned_upright():
    picture = Image.fromarray(PIXELS)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    found = decoded(saved(picture, "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(found), np.rot90(PIXELS, -1))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_white_paper(mode):
    if mode == "P":
        picture = Image.new("P", (4, 4), 0)
        picture.putpalette([0, 0, 0, 9, 9, 9])
        content = saved(picture, "PNG", transparency=0)
    else:
        content = saved(Image.new(mode, (4, 4), (0,) * len(mode)), "PNG")
    assert (np.asarray(decoded(content)) == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    red, _, blue = np.asarray(decoded(content).convert("RGB"))[4, 4]
    assert red > 200
    assert blue < 50


def test_sixteen_bits_and_other_modes_become_bytes():
    deep = Image.fromarray(np.array([[0, 32896, 65535]], np.uint16))
    np.testing.assert_array_equal(
        np.asarray(decoded(saved(deep, "PNG"))), [[0, 128, 255]]
    )
    cmyk = decoded(saved(Image.new("CMYK", (4, 4)), "JPEG"))
    assert (cmyk.mode, cmyk.getpixel((0, 0))) == ("RGB", (255, 255, 255))
    assert decoded(saved(Image.new("1", (4, 4), 1), "PNG")).mode == "L"


def test_a_drawing_comes_as_a_png_address():
    content = base64.b64encode(saved(Image.fromarray(PIXELS), "PNG")).decode()
    found = drawn(f"data:image/png;base64,{content}")
    np.testing.assert_array_equal(np.asarray(found), PIXELS)


@pytest.mark.parametrize(
    "address",
    ["", "http://example.org/a.png", "data:text/html;base64,AAAA",
     "data:image/png;base64,!!!", "data:image/png;base64,AAAA",
     "data:image/png;base64," + base64.b64encode(b"GIF89a" + bytes(99)).decode()],
)  # fmt: skip
def test_another_address_is_refused(address):
    with pytest.raises(PictureError):
        drawn(address)


def test_the_address_is_measured_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(uploaded, "MAX_BYTES", 10)
    with pytest.raises(PictureError, match="did not arrive"):
        drawn("data:image/png;base64," + "A" * 100)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 4), (3, 2, 4), (1, 28, 28)])
def test_a_picture_is_fitted_as_the_datasets_are(shape):
    middle = PIXELS[1:5] if shape[1] == shape[2] else PIXELS[2:4]
    expected = adapt_images(middle.transpose(2, 0, 1)[None], shape)[0]
    found = fitted(Image.fromarray(PIXELS), shape, invert=False)
    np.testing.assert_array_equal(found, expected)
    assert (found.shape, found.dtype) == (shape, np.uint8)


def test_inverting_turns_light_dark():
    picture = Image.fromarray(PIXELS)
    plain = fitted(picture, (3, 6, 4), invert=False)
    np.testing.assert_array_equal(fitted(picture, (3, 6, 4), invert=True), 255 - plain)


def test_a_drawing_is_cut_out_and_centred():
    sheet = np.full((100, 100), 255, np.uint8)
    sheet[10:30, 5:15] = 0
    found = np.asarray(cut_out(Image.fromarray(sheet)))
    rows, columns = np.nonzero(found == 0)
    height, width = found.shape
    assert height == width
    assert (np.ptp(rows), np.ptp(columns)) == (19, 9)
    assert abs(rows.min() - (height - 1 - rows.max())) <= 1
    assert abs(columns.min() - (width - 1 - columns.max())) <= 1
    empty = Image.new("L", (9, 9), "white")
    assert cut_out(empty) is empty


def test_a_dataset_is_known_to_be_light_on_dark():
    images = np.zeros((5, 8, 8), np.uint8)
    images[:, 2:6, 2:6] = 250
    assert is_light_on_dark(images)
    assert not is_light_on_dark(255 - images)
    assert not is_light_on_dark(np.stack([images] * 3, axis=-1))


def test_the_warnings_of_the_whole_server_stay_as_they_are(monkeypatch):
    monkeypatch.delattr(uploaded, "warnings", raising=False)
    content = saved(Image.fromarray(PIXELS), "PNG")
    before = list(warnings.filters)
    monkeypatch.setattr(
        warnings, "simplefilter", lambda *_: pytest.fail("filters were changed")
    )
    assert decoded(content).size == (4, 6)
    assert warnings.filters == before
