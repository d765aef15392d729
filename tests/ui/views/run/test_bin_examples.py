"""Tests of `ui/views/run/bin_examples.py`."""

import numpy as np
import pytest

from calibration.reliability import diagram
from tests.ui import fakes
from trainers.runs import RunError
from ui.views.run.bin_examples import examples_html, members, pictured, telling
from ui.views.run.sides import PREDICTED, Side

CONFIDENCE = np.array([0.0, 0.1, 0.2, 0.2, 0.55, 1.0, 1.0, 0.7])
RIGHT = np.array([0, 1, 0, 1, 1, 1, 0, 1], bool)


@pytest.mark.parametrize("scheme", ["width", "mass"])
@pytest.mark.parametrize("num_bins", [1, 3, 5, 50])
def test_bins_hold_what_they_count(scheme, num_bins):
    drawn = diagram(CONFIDENCE, RIGHT, num_bins, scheme)
    held = [members(drawn, k, CONFIDENCE) for k in range(len(drawn.count))]
    assert [len(rows) for rows in held] == drawn.count.tolist()
    assert sorted(np.concatenate(held)) == list(range(8))
    for k, rows in enumerate(held):
        assert RIGHT[rows].mean() == pytest.approx(drawn.accuracy[k])


def test_wrong_ones_come_first_and_the_surest_of_either():
    rows = np.array([0, 2, 3, 5, 6, 7])
    assert telling(rows, CONFIDENCE, RIGHT).tolist() == [6, 2, 0, 5, 7, 3]


def test_images_are_found_by_their_rows(root):
    run = fakes.write_run(root, "a", evaluated=True)
    with np.load(run.images) as file:
        images = file["images"]
    np.savez(run.images, images=images[::3], rows=np.arange(0, 360, 3))
    shown = pictured(run, np.array([9, 1, 3, 350, 357, 6]), limit=3)
    assert [row for row, _ in shown] == [9, 3, 357]
    for row, image in shown:
        np.testing.assert_array_equal(image, images[row])
    run.images.write_bytes(b"")
    with pytest.raises(RunError, match=r"images\.npz"):
        pictured(run, np.array([1]))


SHOWN = [(0, np.zeros((8, 8), np.uint8)), (1, np.zeros((8, 8, 3), np.uint8))]
NAMES = ["<i>", 'a"b']


def side(of):
    rows = np.array([[0.1, 0.9], [0.5, 0.5 + 1e-9]])
    return Side(rows, np.array([0, 1]), np.array([7, 9]), of)


def test_cards_are_escaped_and_say_what_was_right():
    html = examples_html(SHOWN, side(PREDICTED), NAMES)
    assert html.count("<img") == 2
    assert "✗ is &lt;i&gt;" in html
    assert "<i>" not in html
    assert "Test example 9: a&quot;b, predicted a&quot;b" in html
    assert "a&quot;b 90.0 %" in html
    assert html.count("✓") == 1


def test_cards_of_one_class_tell_its_probability_and_not_the_predicted_ones():
    html = examples_html(SHOWN, side(0), NAMES)
    assert "P(&lt;i&gt;) 10.0 %, predicted a&quot;b" in html
    assert html.count("✓ is &lt;i&gt;") == 1  # though it was not predicted
    assert "✗ is a&quot;b" in html
