"""Tests of what a finished run puts into the archive."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

import trainers
from data.loaders import load_dataset
from trainers.parcel import deployment
from trainers.parcel.deployment import NUM_EXAMPLES, deployed, offers_posterior
from trainers.runs import Run, RunError, load_config, read_json, write_json
from trainers.status import read_status, write_status


@pytest.fixture
def copied(finished, tmp_path):
    """A run to damage."""
    target = tmp_path / "a-copy"
    shutil.copytree(finished().path, target)
    return Run(target)


def change(run, **values):
    write_json(run.evaluation, {**read_json(run.evaluation), **values})


def facts(run):
    return json.loads(deployed(run).files["run.json"])


def test_the_evaluation_keeps_what_predicting_elsewhere_needs(finished):
    for dataset, shape in (("digits", [1, 8, 8]), ("moons", [2])):
        content = read_json(finished(dataset=dataset).evaluation)
        data = load_dataset(dataset, validation_fraction=0.1)
        assert content["input_shape"] == shape
        constants = data.normalisation
        for key in ("mean", "std"):
            kept = np.array(content["normalisation"][key], np.float32)
            np.testing.assert_array_equal(kept, getattr(constants, key))


def test_the_files_and_facts_of_a_run(finished):
    run = finished()
    found = deployed(run)
    assert found.files.keys() == {
        "posterior.safetensors", "config.json", "run.json", "predict.py", "network.py",
        "examples.safetensors",
    }  # fmt: skip
    assert found.files["posterior.safetensors"] == run.posterior.read_bytes()
    assert found.files["config.json"] == run.config.read_bytes()
    assert (found.normalised, found.judged, found.needs) == (True, True, "")
    told = facts(run)
    content = read_json(run.evaluation)
    assert told["class_names"] == content["class_names"]
    assert told["normalisation"] == content["normalisation"]
    assert (told["run"], told["model"], told["num_samples"]) == (run.id, "mlp", 16)


def test_examples_are_test_inputs_with_the_runs_own_predictions(finished):
    run = finished()
    examples = load(deployed(run).files["examples.safetensors"])
    arrays, images = np.load(run.predictions), np.load(run.images)
    rows = images["rows"][
        np.linspace(0, len(images["rows"]) - 1, NUM_EXAMPLES).astype(int)
    ]
    test = load_dataset("digits").test
    np.testing.assert_array_equal(examples["inputs"], test.inputs[rows])
    np.testing.assert_array_equal(examples["labels"], test.labels[rows])
    expected = arrays["probabilities"][:, rows].mean(0)
    np.testing.assert_allclose(examples["probabilities"], expected, atol=1e-6)
    logits = arrays["logits"][rows]
    ratio = np.log(examples["at_mean"]) - logits
    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(10, 1), atol=1e-4)


def test_pixels_are_scaled_by_their_kind_and_nothing_else_is_taken(finished, tmp_path):
    for name, content in deployed(finished()).files.items():
        (tmp_path / name).write_bytes(content)
    code = (
        "import torch, predict as p\n"
        "x = torch.randint(256, (2, *p.RUN['input_shape']), dtype=torch.uint8)\n"
        "known = p.normalised(x)\n"
        "for kind in (torch.int16, torch.int64):\n"
        "    assert torch.equal(p.normalised(x.to(kind)), known)\n"
        "assert torch.equal(p.normalised(x.double() / 255), known)\n"
        "wrong = x.float(), x.long() + 256, known * torch.nan, x.float() / -255\n"
        "for each in wrong:\n"
        "    try:\n"
        "        p.normalised(each)\n"
        "    except ValueError as error:\n"
        "        assert 'integers from 0 to 255 or floats from 0 to 1' in str(error)\n"
        "    else:\n"
        "        raise AssertionError(each.dtype)\n"
    )
    root = Path(trainers.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
    )  # fmt: skip


def test_posteriors_that_were_collected_predict_as_the_run_did(finished, tmp_path):
    names = ("swag", "mc_dropout", "sghmc", "ensemble")
    for optimizer in names:
        folder = tmp_path / optimizer
        folder.mkdir()
        for name, content in deployed(finished(optimizer)).files.items():
            (folder / name).write_bytes(content)
    code = (
        "import runpy, sys\n"
        f"for name in {names}:\n"
        "    sys.argv[:] = [name]\n"
        "    runpy.run_path(name + '/predict.py', run_name='__main__')\n"
    )
    # The networks are the same.
    paths = (str(tmp_path / names[0]), str(Path(trainers.__file__).parents[1]))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, capture_output=True,
    )  # fmt: skip
    told = [x for x in done.stdout.splitlines() if x.startswith("largest")]
    assert [line.split(" the run ")[1].split(":")[0] for line in told] == [
        "at the mean", "over 16 draws of ours", "at the mean", "over 16 draws of ours",
        "over 2 draws of ours", "over 5 draws of ours",
    ]  # fmt: skip
    # Draws are those of the run: they follow from their number.
    assert all(float(line.split()[-1]) < 1e-5 for line in told), told


def test_points_have_no_inputs_to_judge_by(finished):
    found = deployed(finished(dataset="moons"))
    assert not found.judged
    assert "examples.safetensors" not in found.files
    assert "points [N, 2]" in found.files["predict.py"].decode()


def test_a_run_of_before_says_that_it_lacks_the_constants(copied):
    content = read_json(copied.evaluation)
    del content["normalisation"], content["input_shape"]
    write_json(copied.evaluation, content)
    found = deployed(copied)
    assert not found.normalised
    assert not found.judged
    assert facts(copied)["input_shape"] == [1, 8, 8]
    assert facts(copied)["normalisation"] is None
    text = found.files["predict.py"].decode()
    compile(text, "predict.py", "exec")
    assert "before the constants were kept" in text


def test_without_a_shape_nothing_can_be_packed(copied):
    config = json.loads(copied.config.read_text())
    config["dataset"] |= {"name": "folder", "folder": "pictures"}
    write_json(copied.config, config)
    change(copied, input_shape=None)
    with pytest.raises(RunError, match="before the shape of inputs was kept"):
        deployed(copied)


def test_unfinished_runs_and_those_without_a_posterior_are_refused(copied, finished):
    with pytest.raises(RunError, match="has no posterior"):
        deployed(finished("adamw"))
    write_status(copied, replace(read_status(copied), state="stopped"))
    with pytest.raises(RunError, match="must be finished, got one that is stopped"):
        deployed(copied)


@pytest.mark.parametrize(
    "name", ["posterior", "evaluation", "images", "predictions", "config"]
)
def test_a_link_out_of_the_folder_is_not_followed(copied, tmp_path, name):
    path, secret = getattr(copied, name), tmp_path / "secret"
    path.replace(secret)  # what it leads to could be read
    path.symlink_to(secret)
    with pytest.raises(RunError, match="lies outside the folder of run a-copy"):
        deployed(copied)


def test_what_does_not_fit_into_memory_is_refused(copied, monkeypatch):
    monkeypatch.setattr(deployment, "MAX_BYTES", 1000)
    with pytest.raises(RunError, match=r"posterior\.safetensors is too large"):
        deployed(copied)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"class_names": "cat"}, "does not name the classes"),
        ({"normalisation": {"mean": [0.1, 0.2], "std": [1, 1]}}, "of other channels"),
        ({"normalisation": [1, 2]}, "evaluation.json is damaged"),
        ({"normalisation": {"mean": ["x"], "std": [1]}}, "evaluation.json is damaged"),
        ({"input_shape": [3, 8, 8], "normalisation": {"mean": [0.0] * 3,
          "std": [1.0] * 3}}, "images of another shape"),
        ({"input_shape": "__import__"}, "evaluation.json is damaged"),
    ],
)  # fmt: skip
def test_a_damaged_evaluation_is_told(copied, values, told):
    change(copied, **values)
    with pytest.raises(RunError, match=told):
        deployed(copied)


def test_damaged_arrays_are_told(copied):
    copied.images.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(RunError, match=r"images\.npz cannot be read"):
        deployed(copied)


def test_rows_that_are_not_there_are_told(copied):
    images = dict(np.load(copied.images))
    np.savez(copied.images, **(images | {"rows": images["rows"] + 10**6}))
    with pytest.raises(RunError, match=r"images\.npz is damaged"):
        deployed(copied)


def test_ogn_offers_no_posterior(copied):
    assert offers_posterior(copied, load_config(copied))
    config = json.loads(copied.config.read_text())
    config["optimizer"]["hyperparameters"]["sampled"] = False
    write_json(copied.config, config)
    assert not offers_posterior(copied, load_config(copied))
    copied.posterior.unlink()
