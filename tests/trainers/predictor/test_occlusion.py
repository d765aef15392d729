"""Tests of occlusion maps."""

import numpy as np
import pytest

from calibration import decompose
from trainers.predictor import occlusion
from trainers.predictor.occlusion import MAPS, MAX_PLACES, occlude, positions

FILL = np.array([7], np.uint8)


def by_one_pixel(images):
    """A network that sees the pixel in row 1, column 2 alone, in two samples."""
    seen = images[:, 0, 1, 2] / 255
    first = np.stack([0.5 + 0.4 * seen, 0.5 - 0.4 * seen], axis=-1)
    return np.stack([first, np.full_like(first, 0.5)]).astype(np.float32)


@pytest.fixture
def image():
    return np.full((1, 5, 6), 255, np.uint8)


def test_only_squares_over_what_is_seen_change_the_prediction(image):
    found = occlude(by_one_pixel, image, FILL, patch=1, stride=1)
    bare = by_one_pixel(image[None])
    covered = image.copy()
    covered[0, 1, 2] = FILL[0]
    hidden = by_one_pixel(covered[None])
    fall = bare.mean(0)[0, 0] - hidden.mean(0)[0, 0]
    assert found["confidence"][1, 2] == pytest.approx(fall)
    assert found["confidence_before"] == pytest.approx(bare.mean(0)[0, 0])
    assert found["prediction"] == bare.mean(0)[0].argmax()
    rise = decompose(hidden).total - decompose(bare).total
    assert found["entropy"][1, 2] == pytest.approx(rise[0])
    for name in MAPS:
        assert found[name].shape == (5, 6)
        assert np.count_nonzero(found[name]) == 1


def test_images_are_made_and_predicted_some_at_a_time(image, monkeypatch):
    whole = occlude(by_one_pixel, image, FILL, patch=2, stride=1)
    monkeypatch.setattr(occlusion, "BYTES_AT_ONCE", 3 * image.nbytes)
    sizes = []

    def predict(images):
        sizes.append(len(images))
        return by_one_pixel(images)

    found = occlude(predict, image, FILL, patch=2, stride=1)
    assert sizes == [3] * 7  # 4 x 5 places, and the image as it is
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_pixel_has_the_mean_over_the_squares_that_cover_it(image):
    found = occlude(by_one_pixel, image, FILL, patch=2, stride=1)["confidence"]
    alone = occlude(by_one_pixel, image, FILL, patch=1, stride=1)["confidence"].max()
    # All four squares over the seen pixel hide it; of those over its neighbour to the
    # right half do, and of those over the corner below a quarter.
    assert found[1, 2] == pytest.approx(alone)
    assert found[1, 3] == pytest.approx(alone / 2)
    assert found[2, 3] == pytest.approx(alone / 4)
    assert found[4, 5] == 0


@pytest.mark.parametrize(("patch", "stride"), [(1, 1), (2, 1), (3, 2), (4, 3), (5, 5)])
def test_every_pixel_is_covered_and_no_square_stands_over(patch, stride):
    covered = np.zeros((5, 6))
    for row, column in positions((5, 6), patch, stride):
        assert row + patch <= 5
        assert column + patch <= 6
        covered[row : row + patch, column : column + patch] += 1
    assert covered.min() >= 1


@pytest.mark.parametrize(
    ("patch", "stride", "told"),
    [(0, 1, "patch must be in 1..5"), (6, 1, "patch must be in 1..5"),
     (2, 3, "stride must be in 1..2"), (2, 0, "stride must be in 1..2")],
)  # fmt: skip
def test_what_does_not_suit_the_image_is_refused(patch, stride, told):
    with pytest.raises(ValueError, match=told):
        positions((5, 6), patch, stride)


def test_thousands_of_places_are_refused():
    with pytest.raises(ValueError, match=f"at most {MAX_PLACES} places"):
        positions((224, 224), 2, 1)
