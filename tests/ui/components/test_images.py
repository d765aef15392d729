"""Tests of `ui/components/images.py`."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.ui import fakes
from trainers.runs import RunError
from ui.components.images import (
    channels_first,
    channels_last,
    data_url,
    kept,
    kept_sets,
)


def test_images_are_found_by_their_rows(root):
    run = fakes.write_run(root, "a", evaluated=True)
    images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    np.savez(run.images, images=images, rows=np.array([1, 4, 5, 9]))
    found = kept(run)
    np.testing.assert_array_equal(found.of(4), images[1])
    assert [found.of(row) for row in (0, 2, 10)] == [None] * 3
    assert found.input_shape == (1, 8, 8)
    assert kept_sets(run) == {""}


def test_sets_are_named_and_old_runs_have_none(root):
    run = fakes.write_run(root, "a", evaluated=True)
    assert kept_sets(run) == {"", "ood_photo-patches"}
    assert len(kept(run, "ood_photo-patches").rows) == 500
    run.images.unlink()
    assert kept_sets(run) == set()
    with pytest.raises(RunError, match=r"images\.npz"):
        kept(run)


@pytest.mark.parametrize(
    ("images", "rows"),
    [
        (np.zeros((2, 8, 8)), np.arange(2)),
        (np.zeros((2, 8, 8, 4), np.uint8), np.arange(2)),
        (np.zeros((2, 8), np.uint8), np.arange(2)),
        (np.zeros((2, 8, 8), np.uint8), np.arange(3)),
        (np.zeros((2, 8, 8), np.uint8), np.array([1, 1])),
        (np.zeros((2, 8, 8), np.uint8), np.array([-1, 1])),
        (np.zeros((2, 8, 8), np.uint8), np.zeros(2)),
        (np.zeros((0, 8, 8), np.uint8), np.zeros(0, int)),
        (np.array([{}, {}], dtype=object), np.arange(2)),
    ],
)
def test_what_are_no_images_is_damage(root, images, rows):
    run = fakes.write_run(root, "a")
    np.savez(run.images, images=images, rows=rows)
    with pytest.raises(RunError, match=r"images\.npz"):
        kept(run)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3)])
def test_addresses_keep_every_pixel_and_axes_come_back(shape):
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    data = base64.b64decode(data_url(image).removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), image)
    np.testing.assert_array_equal(channels_last(channels_first(image)), image)
