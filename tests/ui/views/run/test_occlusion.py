"""Tests of `ui/views/run/occlusion.py`."""

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.ui.painting import painted
from trainers.predictor.occlusion import positions
from ui.views.run.occlusion import (
    CONFIDENCE,
    ENTROPY,
    enlarged,
    occlusion_alt,
    occlusion_figure,
    occlusion_note,
    patches,
    stride_of,
)

CHANGES = np.array([[0.0, 0.1, -0.4], [0.2, 0.0, 0.0]])
MAPS = {
    "confidence": CHANGES, "confidence_before": np.array(0.8),
    "entropy": CHANGES, "entropy_before": np.array(0.5),
}  # fmt: skip


@pytest.mark.parametrize("side", [8, 14, 28, 32, 96, 224, 512])
def test_every_choice_of_a_square_can_be_computed(side):
    sizes = patches(side)
    assert len(sizes) >= 3
    for patch in sizes:
        assert positions((side, side), patch, stride_of(patch, side))


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3)])
def test_the_map_lies_over_the_image(shape):
    image = np.zeros(shape, np.uint8)
    drawn = occlusion_figure(image, CHANGES, "points")
    (heat,) = drawn["data"]
    np.testing.assert_allclose(heat["z"], 100 * CHANGES)
    assert (heat["zmin"], heat["zmax"]) == (-40, 40)
    (below,) = drawn["layout"]["images"]
    assert (below["sizex"], below["sizey"]) == (3, 2)
    assert below["source"].startswith("data:image/png;base64,")
    np.testing.assert_allclose(
        occlusion_figure(image, CHANGES, "nats")["data"][0]["z"], CHANGES
    )
    go.Figure(painted(drawn))


def test_nothing_changed_is_drawn_too():
    drawn = occlusion_figure(np.zeros((2, 3), np.uint8), 0 * CHANGES, "nats")
    assert drawn["data"][0]["zmax"] > 0


def test_small_images_get_squares_for_pixels():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    large = enlarged(image, 10)
    assert large.shape == (9, 12)
    np.testing.assert_array_equal(large[::3, ::3], image)
    assert enlarged(image, 2) is not None
    assert enlarged(np.zeros((300, 300), np.uint8)).shape == (300, 300)


def test_the_sentences_have_the_numbers():
    told = occlusion_alt(MAPS, CONFIDENCE, "owl")
    assert "Covering row 1, column 0 lowers the probability of owl most" in told
    assert "by 20.0 points from 80.0 %" in told
    told = occlusion_alt(MAPS, ENTROPY, "owl")
    assert "raises the entropy most, by 0.200 nats from 0.500" in told
    assert "5 x 5 pixels" in occlusion_note(CONFIDENCE, "owl", 5)
    assert "makes owl less probable" in occlusion_note(CONFIDENCE, "owl", 5)
    assert "less certain" in occlusion_note(ENTROPY, "owl", 5)
