"""Tests of `data/opening.py`; those of its users have the formats."""

import io

import numpy as np
import pytest
from PIL import Image

from data.opening import is_transparent, on_white, upright_size


@pytest.mark.parametrize(("noted", "size"), [(1, (6, 4)), (3, (6, 4)), (8, (4, 6))])
def test_the_size_is_that_of_the_upright_picture(noted, size):
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = noted
    Image.new("RGB", (6, 4)).save(file, "jpeg", exif=exif)
    with Image.open(file) as picture:
        assert upright_size(picture) == size


def test_what_is_transparent_is_put_on_white():
    glass = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    half = Image.new("LA", (4, 4), (0, 128))
    assert is_transparent(glass)
    assert (np.asarray(on_white(glass).convert("L")) == 255).all()
    assert (np.asarray(on_white(half).convert("L")) == 127).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_what_is_opaque_stays_as_it_is(mode):
    picture = Image.new(mode, (4, 4))
    assert on_white(picture) is picture
    solid = Image.new("RGBA", (4, 4), (9, 9, 9, 255))
    assert not is_transparent(solid)
    assert on_white(solid) is solid
