"""Confidently wrong predictions, the worst first, with their pictures."""

import base64
import io

import numpy as np
from PIL import Image

from calibration.report.measuring.wrong import confidently_wrong, png
from calibration.report.predictions import Predictions

PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.99, 0.01], [0.6, 0.4]])
LABELS = np.array([1, 1, 1, 1])


def made(**changes):
    given = {"probabilities": PROBABILITIES, "labels": LABELS} | changes
    return Predictions(name="a", **given)


def test_the_most_confident_errors_come_first():
    found = confidently_wrong(made(indices=np.array([10, 11, 12, 13])), 2)
    assert [each.index for each in found] == [12, 10]
    assert [each.confidence for each in found] == [0.99, 0.9]
    assert [each.label_probability for each in found] == [0.01, 0.1]
    assert found[0].mutual_information is None


def test_samples_have_a_mutual_information():
    other = PROBABILITIES[:, ::-1]
    found = confidently_wrong(
        made(probabilities=np.stack([PROBABILITIES] * 3 + [other]))
    )
    assert all(each.mutual_information > 0 for each in found)


def test_no_errors_no_examples():
    assert confidently_wrong(made(labels=np.array([0, 1, 0, 0]))) == []


def test_images_of_some_examples_are_found_by_their_rows():
    images = np.arange(2, dtype=np.uint8)[:, None, None] * np.full(
        (4, 4), 200, np.uint8
    )
    found = confidently_wrong(made(images=images, image_rows=np.array([3, 2])))
    assert [bool(each.image) for each in found] == [True, False, True]
    picture = Image.open(io.BytesIO(base64.b64decode(found[0].image)))
    assert picture.getpixel((0, 0)) == 200


def test_small_pictures_are_enlarged_without_blur():
    image = np.array([[0, 255], [255, 0]], np.uint8)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(png(image)))))
    assert picture.shape == (96, 96)
    assert set(np.unique(picture)) == {0, 255}
    coloured = np.zeros((200, 100, 3), np.uint8)
    shape = np.asarray(Image.open(io.BytesIO(base64.b64decode(png(coloured))))).shape
    assert shape == (200, 100, 3)
