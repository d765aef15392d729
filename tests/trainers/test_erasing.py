"""Tests of random erasing."""

import numpy as np
import pytest
import torch

from trainers.erasing import AREA, draw_rectangles, erase


def drawn(num=4000, size=(28, 28), probability=1.0, seed=0):
    return draw_rectangles(num, size, probability, np.random.default_rng(seed))


def sides_of(rectangles):
    top, bottom, left, right = rectangles.T
    return bottom - top, right - left


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (224, 224)])
def test_areas_are_within_their_bounds_and_fill_them(size):
    heights, widths = sides_of(drawn(size=size))
    # A side may be off by half a pixel from rounding.
    slack = 0.5 * (heights + widths) + 0.25
    areas, whole = heights * widths, size[0] * size[1]
    assert (areas >= AREA[0] * whole - slack).all()
    assert (areas <= AREA[1] * whole + slack).all()
    assert areas.min() < 0.03 * whole
    assert areas.max() > 0.24 * whole
    assert areas.mean() == pytest.approx(0.135 * whole, rel=0.03)


def test_shapes_lie_and_stand_alike_and_keep_to_the_aspect():
    heights, widths = sides_of(drawn(size=(224, 224)))
    assert 0.45 < (heights > widths).mean() < 0.55
    ratios = np.minimum(heights, widths) / np.maximum(heights, widths)
    assert ratios.min() == pytest.approx(0.3, abs=0.02)
    assert ratios.max() == 1.0


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (5, 40), (1, 1), (2, 3)])
def test_rectangles_lie_in_the_image_and_reach_its_edges(size):
    rectangles = drawn(size=size)
    top, bottom, left, right = rectangles.T
    for first, last, limit in ((top, bottom, size[0]), (left, right, size[1])):
        assert first.min() == 0
        assert last.max() == limit
        assert (last > first).all()


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_as_many_images_are_erased_as_the_probability_says(probability):
    heights, _ = sides_of(drawn(probability=probability))
    assert (heights > 0).mean() == pytest.approx(probability, abs=0.03)


def test_where_nothing_is_erased_the_rectangle_is_empty():
    rectangles = drawn(100, probability=0.5)
    empty = (rectangles == 0).all(1)
    heights, widths = sides_of(rectangles)
    assert np.array_equal(empty, heights == 0)
    assert np.array_equal(empty, widths == 0)
    assert 0 < empty.sum() < 100


def test_what_is_erased_is_zero_in_all_channels_and_the_rest_is_as_it_was():
    inputs = torch.rand(4, 3, 6, 5) + 1
    kept = inputs.clone()
    rectangles = torch.tensor([[0, 6, 0, 5], [0, 0, 0, 0], [1, 3, 2, 5], [5, 6, 4, 5]])
    erased = erase(inputs, rectangles)
    assert torch.equal(inputs, kept)
    for image, whole, (top, bottom, left, right) in zip(
        erased, kept, rectangles.tolist(), strict=True
    ):
        expected = whole.clone()
        expected[:, top:bottom, left:right] = 0
        assert torch.equal(image, expected)


def test_the_draw_depends_on_its_generator_alone():
    assert np.array_equal(drawn(9, seed=3), drawn(9, seed=3))
    assert not np.array_equal(drawn(9, seed=3), drawn(9, seed=4))
    state = torch.get_rng_state()
    drawn(9)
    assert torch.equal(torch.get_rng_state(), state)
