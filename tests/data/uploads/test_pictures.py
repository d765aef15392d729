"""Tests of `data/uploads/pictures.py`."""

import io

import numpy as np
import pytest
from PIL import Image

from data.catalogue import DatasetError
from data.opening import FORMATS
from data.uploads import pictures
from data.uploads.limits import Limits
from data.uploads.pictures import Kind, fitted, kind_of, pixels_of
from tests.data.uploads.archives import image


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_read(form):
    content = image(form=form)
    assert kind_of(content, "x", Limits()) == Kind(12, 10, 3)
    assert pixels_of(content, "x", (12, 10), 3).shape == (10, 12, 3)


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGBA", 3)]
)
def test_modes_are_grey_or_colour(mode, channels):
    content = image(mode=mode)
    assert kind_of(content, "x", Limits()).channels == channels
    shape = (10, 12) if channels == 1 else (10, 12, 3)
    assert pixels_of(content, "x", (12, 10), channels).shape == shape


def test_what_sticks_out_is_cut_off_on_both_sides():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    file = io.BytesIO()
    Image.fromarray(wide).save(file, "png")
    assert pixels_of(file.getvalue(), "x", (10, 10), 3).min() == 255


def test_formats_that_run_programs_are_not_opened():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "eps")
    with pytest.raises(DatasetError, match="'x' must be an image"):
        kind_of(file.getvalue(), "x", Limits())


def test_a_large_photograph_is_decoded_at_a_part_of_its_size(monkeypatch):
    decoded = []
    monkeypatch.setattr(
        pictures,
        "fitted",
        lambda picture, size: decoded.append(picture.size) or fitted(picture, size),
    )
    ramp = np.linspace(0, 255, 640 * 480).reshape(480, 640).astype(np.uint8)
    results = []
    for form in ("jpeg", "png"):
        file = io.BytesIO()
        Image.fromarray(ramp).save(file, form)
        results.append(pixels_of(file.getvalue(), "x", (28, 28), 1).astype(int))
    assert decoded == [(80, 60), (640, 480)]
    assert np.abs(results[0] - results[1]).max() < 3
