"""The images that are kept for pages and reports."""

import numpy as np
import pytest

from calibration import decompose, select_examples
from data.arrays import Split
from trainers.pictures import TELLING, kept_images, pictures

CLASSES = 5


def split_of(count, channels=1, size=4, seed=0):
    rng = np.random.default_rng(seed)
    shape = (count, channels, size, size)
    inputs = rng.integers(0, 256, shape, dtype=np.uint8)
    return Split.whole(inputs, rng.integers(0, CLASSES, count))


def probabilities_of(split, samples=3, seed=1):
    rng = np.random.default_rng(seed)
    found = rng.dirichlet(np.full(CLASSES, 0.3), (samples, len(split)))
    return found.astype(np.float32)


def kept(test, max_bytes=10**6, **ood):
    predicted = {"test": probabilities_of(test)}
    predicted |= {f"ood_{name}": probabilities_of(each) for name, each in ood.items()}
    return kept_images(test, ood, predicted, max_bytes), predicted


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 4)), (3, (4, 4, 3))])
def test_images_are_shown_as_programs_do(channels, shape):
    split = split_of(6, channels)
    shown = pictures(split.inputs)
    assert shown.shape == (6, *shape)
    assert shown.dtype == np.uint8
    for channel in range(channels):
        plane = shown[..., channel] if channels > 1 else shown
        np.testing.assert_array_equal(plane, split.inputs[:, channel])


def test_all_images_are_kept_where_they_fit():
    test, far = split_of(30), split_of(20, seed=2)
    arrays, _ = kept(test, far=far)
    assert set(arrays) == {"images", "rows", "images_ood_far", "rows_ood_far"}
    np.testing.assert_array_equal(arrays["rows"], np.arange(30))
    np.testing.assert_array_equal(arrays["rows_ood_far"], np.arange(20))
    np.testing.assert_array_equal(arrays["images_ood_far"], far.inputs[:, 0])


@pytest.mark.parametrize("samples", [1, 3])
def test_of_more_images_the_most_telling_and_others_are_kept(samples):
    test = split_of(400)
    predicted = probabilities_of(test, samples)
    given = predicted if samples > 1 else predicted[0]
    arrays = kept_images(test, {}, {"test": given}, 100 * 16)
    rows = arrays["rows"]
    assert len(arrays["images"]) == len(rows) == 100
    assert np.all(np.diff(rows) > 0)
    np.testing.assert_array_equal(arrays["images"], test.inputs[rows, 0])
    telling = select_examples(given, test.labels, int(TELLING * 100) // 4)
    for chosen in telling.values():
        assert np.isin(chosen, rows).all()
    among = np.unique(np.concatenate(list(telling.values())))
    assert not np.isin(rows, among).all()  # others are drawn, too


def test_of_another_set_those_that_look_most_like_ones_own_are_kept():
    test, far = split_of(10), split_of(200, seed=2)
    arrays, predicted = kept(test, 4 * 40 * 16, far=far)
    rows = arrays["rows_ood_far"]
    assert len(rows) == 40  # a quarter of the test images' bytes
    surest = np.argsort(decompose(predicted["ood_far"]).total, kind="stable")[:20]
    assert np.isin(surest, rows).all()
    np.testing.assert_array_equal(arrays["images_ood_far"], far.inputs[rows, 0])


def test_the_same_images_are_kept_each_time():
    test = split_of(300)
    first, second = kept(test, 50 * 16)[0], kept(test, 50 * 16)[0]
    np.testing.assert_array_equal(first["rows"], second["rows"])


@pytest.mark.parametrize("max_bytes", [0, 1, 16, 40])
def test_at_least_one_image_is_kept_however_large(max_bytes):
    arrays, _ = kept(split_of(9), max_bytes, far=split_of(9, seed=2))
    assert len(arrays["rows"]) == max(1, max_bytes // 16)
    assert len(arrays["rows_ood_far"]) == 1
    assert arrays["rows"].min() >= 0
    assert arrays["rows"].max() < 9
