"""Tests of `ui/views/run/gallery.py`."""

import base64
import io

import numpy as np
from PIL import Image

from ui.views.run.gallery import gallery_html, picture

ENTRY = {
    "image": 0, "index": 17, "label": 2, "prediction": 0, "confidence": 0.5,
    "entropy": 1.234, "mutual_information": 0.1, "probabilities": [0.5, 0.3, 0.0, 0.2],
}  # fmt: skip
NAMES = ["cat", "dog", "<script>owl</script>", "fox"]
IMAGES = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)


def test_a_wrong_prediction_is_marked_with_the_truth():
    shown = gallery_html([ENTRY], IMAGES, NAMES)
    assert "✗ is &lt;script&gt;owl" in shown
    assert "<script" not in shown
    assert "entropy 1.234 nats" in shown


def test_the_true_class_has_a_bar_even_when_improbable():
    shown = gallery_html([ENTRY], IMAGES, NAMES)
    assert "width:50.0%" in shown
    assert "width:0.0%" in shown  # the truth
    assert "width:20.0%" not in shown  # fox made room


def test_a_right_prediction_is_ticked():
    shown = gallery_html([ENTRY | {"label": 0}], IMAGES, NAMES)
    assert "✓" in shown
    assert "✗" not in shown


def test_pictures_keep_every_pixel_in_grey_and_in_colour():
    for image in (IMAGES[0], np.dstack([IMAGES[0]] * 3)):
        data = base64.b64decode(picture(image).removeprefix("data:image/png;base64,"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), image)
