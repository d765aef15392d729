"""Tests of predictions on corrupted test images."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from calibration import accuracy
from data.corruptions import CORRUPTIONS
from data.corruptions.apply import corrupt
from data.loaders import load_dataset
from tests.trainers.examples import rows_of, run_of
from trainers import shift as module
from trainers.arrays import write_arrays
from trainers.models import build_model
from trainers.runs import RunError, load_config, new_run
from trainers.session import train_run
from trainers.shift import SEED, predict_shift
from trainers.status import STOPPED, end_status, read_status
from vogn_app import load_posterior

COUNT, SAMPLES = 120, 3


def trained(path, optimizer, **training):
    run = run_of(
        path, dataset="digits", optimizer=optimizer,
        training={"epochs": 8, "batch_size": 100, "device": "cpu"} | training,
    )  # fmt: skip
    assert train_run(run, show_bar=False).state == "finished"
    return run


@pytest.fixture(scope="module", params=["vogn", "adamw"])
def run(request, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("shift") / "run", request.param)


def judged(run, *kinds):
    return predict_shift(run, COUNT, SAMPLES, kinds, show_bar=False)


def content_of(run):
    files = (path for path in run.path.rglob("*") if path.is_file())
    return {p.name: p.read_bytes() for p in files if p != run.shift}


def test_the_file_has_what_the_rows_are_computed_from(run):
    before = content_of(run)
    rows = judged(run, "fog", "rotation", "fog")
    assert content_of(run) == before
    with np.load(run.shift) as file:
        arrays = dict(file)
    keys = {f"{kind}_{level}" for kind in ("fog", "rotation") for level in range(1, 6)}
    assert set(arrays) == {"labels", "indices", "clean"} | keys
    assert [(row.kind, row.severity) for row in rows][:3] == [
        ("clean", 0), ("fog", 1), ("fog", 2)
    ]  # fmt: skip
    for row in rows:
        name = f"{row.kind}_{row.severity}" if row.severity else "clean"
        assert arrays[name].dtype == np.float32
        assert arrays[name].shape == (COUNT, 10)
        np.testing.assert_allclose(arrays[name].sum(1), 1, atol=1e-5)
        assert row.accuracy == accuracy(arrays[name], arrays["labels"])
        assert row.count == COUNT
    assert rows[0].accuracy > 0.8
    assert rows[-1].accuracy < 0.5  # turned by 75 degrees


def test_predictions_are_those_of_the_posterior_on_corrupted_images(run):
    judged(run, "snow")
    data = load_dataset("digits")
    with np.load(run.shift) as arrays:
        rows = np.searchsorted(data.test.indices, arrays["indices"])
        np.testing.assert_array_equal(data.test.indices[rows], arrays["indices"])
        np.testing.assert_array_equal(data.test.labels[rows], arrays["labels"])
        images = data.test.inputs[rows]
        snowy = corrupt(images, "snow", 4, seed=SEED, indices=arrays["indices"])
        for name, given in (("clean", images), ("snow_4", snowy)):
            found = arrays[name]
            if run.posterior.exists():
                model = build_model("mlp", data.input_shape, data.num_classes)
                inputs = data.normalisation.apply(given)
                expected = load_posterior(run.posterior).predict_proba(
                    model, torch.from_numpy(inputs), SAMPLES, seed=SEED
                )
                np.testing.assert_allclose(found, expected, atol=1e-4)
            elif name == "clean":
                with np.load(run.predictions) as plain:
                    expected = softmax(plain["logits"][rows], axis=1)
                np.testing.assert_allclose(found, expected, atol=1e-5)


def test_all_images_are_taken_where_there_are_no_more(run):
    rows = predict_shift(run, 5000, 1, ["contrast"], show_bar=False)
    test = load_dataset("digits").test
    assert rows[0].count == len(test)
    with np.load(run.shift) as arrays:
        np.testing.assert_array_equal(arrays["indices"], test.indices)


def test_again_is_the_same_and_a_kind_does_not_depend_on_the_others(run):
    judged(run, "snow", "fog")
    with np.load(run.shift) as file:
        first = dict(file)
    judged(run, "fog")
    with np.load(run.shift) as file:
        for name in file:
            np.testing.assert_array_equal(file[name], first[name])


def test_every_kind_can_be_asked_for(run):
    rows = predict_shift(run, 20, 1, show_bar=False)
    assert {row.kind for row in rows} == {"clean", *CORRUPTIONS}
    assert len(rows) == 1 + 5 * len(CORRUPTIONS)


@pytest.mark.parametrize("place", ["corrupt", "write_arrays", "predict_shift"])
def test_ctrl_c_leaves_nothing_half_written(run, monkeypatch, place):
    write_arrays(run.shift, {"old": np.zeros(2)})

    def stop(*_, **__):
        raise KeyboardInterrupt

    if place == "predict_shift":  # in the middle of the file
        monkeypatch.setattr(np, "savez", stop)
    else:
        monkeypatch.setattr(module, place, stop)
    names = {path.name for path in run.path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        judged(run, "fog")
    assert {path.name for path in run.path.iterdir()} == names
    with np.load(run.shift) as arrays:
        assert set(arrays) == {"old"}


def test_a_later_resume_goes_on_as_if_nothing_had_happened(tmp_path):
    """The draws of a resumed run follow on from those of before."""
    runs = [trained(tmp_path / name, "vogn", epochs=2) for name in ("a", "b")]
    judged(runs[0], "fog")
    for run in runs:
        end_status(run, read_status(run), STOPPED)
        assert train_run(run, show_bar=False).state == "finished"
    assert rows_of(runs[0]) == rows_of(runs[1])
    first, second = (np.load(run.predictions) for run in runs)
    with first, second:
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_points_and_unfinished_runs_are_refused(tmp_path):
    run = run_of(tmp_path / "points", training={"epochs": 1})
    with pytest.raises(RunError, match="does not exist"):
        judged(run, "fog")
    assert train_run(run, show_bar=False).state == "finished"
    with pytest.raises(ValueError, match=r"dataset must be of images, .* got 'moons'"):
        judged(run, "fog")
    assert not run.shift.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((0, 1, ["fog"]), r"examples must be a whole number in \[1, "),
        ((1, 0, ["fog"]), r"samples must be a whole number in \[1, 4096\]"),
        ((1, 1, ["fog", "rain"]), "corruption must be one of .*, got 'rain'"),
        ((1, 1, []), "kinds must name at least one"),
    ],
)
def test_other_arguments_are_refused(run, arguments, told):
    with pytest.raises(ValueError, match=told):
        predict_shift(run, *arguments)


def test_data_that_have_changed_are_refused(run, tmp_path):
    with np.load(run.predictions) as file:
        arrays = dict(file)
    copy = new_run(load_config(run), "test", tmp_path / "copy")
    for name in ("status.json", "checkpoint"):
        (copy.path / name).symlink_to(run.path / name)
    write_arrays(copy.predictions, arrays | {"labels": arrays["labels"][::-1]})
    with pytest.raises(RunError, match="run copy: the dataset has changed since"):
        judged(copy, "fog")
    whole = run.predictions.read_bytes()
    for damaged in (b"nothing", whole[: len(whole) // 2]):
        copy.predictions.write_bytes(damaged)
        with pytest.raises(RunError, match=r"predictions.npz cannot be read"):
            judged(copy, "fog")
