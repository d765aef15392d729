"""Tests of `ui/components/predictions.py`."""

import gc
import shutil
import weakref

import numpy as np
import pytest

from calibration import accuracy, decompose, predictive
from tests.ui import fakes
from trainers.runs import RunError
from ui.components import predictions
from ui.components.predictions import TEST, VALIDATION, array, forget, part, parts

OUT = "ood_photo-patches"


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def saved(run):
    with np.load(run.predictions) as file:
        return dict(file)


def rewritten(run, **arrays):
    np.savez(run.predictions, **(saved(run) | arrays))


def test_the_sets_are_named(run, root):
    assert parts(run) == [TEST, OUT, VALIDATION]
    arrays = saved(run)
    kept = {k: v for k, v in arrays.items() if not k.startswith(("ood", "valid"))}
    np.savez(run.predictions, **kept)
    assert parts(run) == [TEST]


@pytest.mark.parametrize("name", [TEST, OUT])
@pytest.mark.parametrize("stretch", [1, 7 * 80, 2**22])
def test_numbers_are_those_of_the_library_however_they_are_cut(
    run, name, stretch, monkeypatch
):
    monkeypatch.setattr(predictions, "STRETCH", stretch)
    samples = saved(run)[name or "probabilities"]
    found, split = part(run, name), decompose(samples)
    mean = predictive(samples)
    assert samples.ndim == 3
    assert len(found) == samples.shape[1]
    assert found.num_samples == len(samples) == 8
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6)
    assert found.mean.dtype == np.float32
    np.testing.assert_array_equal(found.confidence, mean.max(-1))
    np.testing.assert_array_equal(found.exact_mean(), mean)
    for kind in ("total", "expected", "mutual_information"):
        np.testing.assert_allclose(
            getattr(found, kind), getattr(split, kind), rtol=1e-9, atol=1e-12
        )
    assert isinstance(found.samples, np.memmap)


def test_one_set_of_weights_has_no_disagreement(root):
    run = fakes.write_run(root, "a", optimizer="sgd", evaluated=True)
    found, rows = part(run), saved(run)["probabilities"]
    assert rows.ndim == 2
    assert found.num_samples == 1
    np.testing.assert_array_equal(found.mutual_information, 0)
    np.testing.assert_allclose(found.total, decompose(rows).total)
    np.testing.assert_array_equal(found.samples_of([3, 1]), rows[None, [3, 1]])


def test_predictions_are_right_as_often_as_the_library_says(run):
    found = part(run)
    assert found.labels is not None
    measured = accuracy(saved(run)["probabilities"], found.labels)
    assert found.correct.mean() == pytest.approx(float(measured), abs=1e-12)
    np.testing.assert_array_equal(found.prediction, found.mean.argmax(-1))


def test_validation_is_a_mean_with_labels_and_other_sets_have_none(run):
    found = part(run, VALIDATION)
    assert found.num_samples == 1
    np.testing.assert_array_equal(found.labels, saved(run)["validation_labels"])
    outside = part(run, OUT)
    assert outside.labels is None
    with pytest.raises(RunError, match="no labels"):
        _ = outside.correct


def test_samples_of_some_examples(run):
    samples = saved(run)["probabilities"]
    rows = np.array([5, 0, 5])
    np.testing.assert_array_equal(part(run).samples_of(rows), samples[:, rows])


def test_a_set_is_read_once_until_its_file_is_replaced(run):
    first = part(run)
    assert part(run) is first
    samples = saved(run)["probabilities"][:, ::-1]
    rewritten(run, probabilities=samples)
    second = part(run)
    assert second is not first
    np.testing.assert_allclose(second.confidence, first.confidence[::-1])


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_run_that_is_deleted_leaves_no_file_open(run, root, is_deleted):
    other = fakes.write_run(root, "b", evaluated=True)
    kept = part(other)
    parts_of = [weakref.ref(part(run, name)) for name in (TEST, OUT, VALIDATION)]
    if is_deleted:
        shutil.rmtree(run.path)
    forget(run)
    gc.collect()
    assert [each() for each in parts_of] == [None] * 3
    assert part(other) is kept
    forget(run)


def test_arrays_by_name(run):
    np.testing.assert_array_equal(array(run, "indices"), saved(run)["indices"])
    with pytest.raises(RunError, match="nothing in"):
        array(run, "nothing")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"probabilities": np.zeros((0, 3), np.float32)}, "shape"),
        ({"probabilities": np.full(7, 0.5)}, "shape"),
        ({"probabilities": np.full((360, 10), np.nan)}, "probabilities"),
        ({"probabilities": np.full((360, 10), 0.7)}, "probabilities"),
        ({"probabilities": np.ones((360, 10), np.int64)}, "probabilities"),
        ({"labels": np.zeros(3, np.int64)}, "labels"),
        ({"labels": np.full(360, 99)}, "labels"),
        ({"labels": np.zeros(360)}, "labels"),
    ],
)
def test_what_cannot_be_predictions_is_refused(run, arrays, told):
    rewritten(run, **arrays)
    with pytest.raises(RunError, match=told):
        part(run)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing"])
def test_a_damaged_file_is_told(run, content):
    run.predictions.write_bytes(content)
    for ask in (lambda: parts(run), lambda: part(run)):
        with pytest.raises(RunError, match=r"predictions\.npz"):
            ask()


def test_an_unknown_set_is_told(run):
    with pytest.raises(RunError, match="ood_mars"):
        part(run, "ood_mars")
