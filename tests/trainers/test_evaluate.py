"""Tests of the files that the evaluation of a run writes."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from calibration import evaluate, negative_log_likelihood
from data.loaders import load_dataset, load_ood
from tests.trainers.examples import run_of
from trainers import evaluate as evaluate_module
from trainers import features
from trainers.batches import DeviceSplit
from trainers.checkpoint import LAST
from trainers.evaluate import MAP_CELLS, MAP_POINTS, resolve_device
from trainers.models import build_model
from trainers.ranks import Ranks
from trainers.reporting import Reporter
from trainers.runs import read_json, read_metrics
from trainers.session import train_run
from vogn_app import load_posterior

BAYESIAN = ("vogn", "noisy_kfac")
IMAGES = {
    "dataset": "digits",
    "model": "mlp",
    "training": {"epochs": 1, "batch_size": 700},
    "evaluation": {"test_samples": 3, "ood": "photo-patches"},
}


@pytest.fixture(scope="module", params=["vogn", "noisy_kfac", "adamw"])
def images(request, tmp_path_factory):
    """Finish a run on images."""
    path = tmp_path_factory.mktemp("images") / request.param
    run = run_of(path, optimizer=request.param, **IMAGES)
    assert train_run(run, show_bar=False).state == "finished"
    return run, request.param in BAYESIAN


@pytest.fixture(scope="module", params=["vogn", "noisy_kfac", "sgd"])
def points(request, tmp_path_factory):
    """Finish a run on points."""
    path = tmp_path_factory.mktemp("points") / request.param
    run = run_of(path, optimizer=request.param, training={"epochs": 1})
    assert train_run(run, show_bar=False).state == "finished"
    return run, request.param in BAYESIAN


def test_the_numbers_follow_from_the_predictions(images):
    run, bayesian = images
    content, arrays = read_json(run.evaluation), np.load(run.predictions)
    again = evaluate(
        arrays["probabilities"],
        arrays["labels"],
        ood={"photo-patches": arrays["ood_photo-patches"]},
    )
    for key in ("metrics", "intervals", "reliability", "ood", "num_samples"):
        assert json.loads(json.dumps(again[key])) == content[key], key
    assert content["schema"] == 1
    assert (content["mean"] is not None) == bayesian
    assert content["num_samples"] == (3 if bayesian else 1)
    assert {"auroc", "fpr95"} <= set(content["ood"]["photo-patches"])
    assert {"accuracy", "nll", "brier", "ece"} <= set(content["metrics"])


def test_predictions_are_of_the_test_split_in_its_order(images):
    run, bayesian = images
    arrays, data = np.load(run.predictions), load_dataset("digits")
    np.testing.assert_array_equal(arrays["labels"], data.test.labels)
    np.testing.assert_array_equal(arrays["indices"], data.test.indices)
    shape = arrays["probabilities"].shape
    assert shape == ((3,) if bayesian else ()) + (len(data.test), 10)
    num_ood = len(load_ood("photo-patches", data))
    assert arrays["ood_photo-patches"].shape[-2:] == (num_ood, 10)
    np.testing.assert_allclose(arrays["probabilities"].sum(-1), 1, atol=1e-5)


def test_logits_and_features_are_those_at_the_posterior_mean(images):
    run, bayesian = images
    arrays, data = np.load(run.predictions), load_dataset("digits")
    model = build_model("mlp", data.input_shape, data.num_classes)
    if bayesian:
        load_posterior(run.posterior).load_into(model)
    else:
        content = torch.load(run.checkpoint / LAST, weights_only=True)
        model.load_state_dict(content["model"])
    splits = {
        "": data.test,
        "_ood_photo-patches": load_ood("photo-patches", data),
        "_train": data.train,
    }
    for suffix, part in splits.items():
        split = DeviceSplit.of(part, data.normalisation, torch.device("cpu"))
        inputs = split.normalised(split.inputs)
        features = model[:-1](inputs).detach()
        logits = model(inputs).detach()
        np.testing.assert_allclose(
            arrays[f"features{suffix}"], features, rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(
            arrays[f"logits{suffix}"], logits, rtol=1e-4, atol=1e-5
        )
    np.testing.assert_array_equal(arrays["labels_train"], data.train.labels)
    if not bayesian:
        at_mean = torch.from_numpy(arrays["logits"]).softmax(-1)
        np.testing.assert_allclose(arrays["probabilities"], at_mean, atol=1e-6)


def test_validation_is_predicted_to_fit_on(images):
    run, _ = images
    arrays, data = np.load(run.predictions), load_dataset("digits")
    found = arrays["validation_probabilities"]
    np.testing.assert_array_equal(arrays["validation_labels"], data.validation.labels)
    assert found.dtype == np.float32
    assert found.shape == (len(data.validation), 10)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    # The mean of other draws than validated in training, of the same posterior.
    (row,) = [row for row in read_metrics(run)[0] if row["kind"] == "epoch"]
    nll = negative_log_likelihood(found, data.validation.labels)
    assert float(nll) == pytest.approx(row["validation_nll"], rel=0.1)


def test_the_posterior_is_described_layer_by_layer(images):
    run, bayesian = images
    content = read_json(run.evaluation)
    assert content["notes"] == []
    if not bayesian:
        assert content["posterior"] is None
        return
    summary = load_posterior(run.posterior).summary()
    assert [row["name"] for row in content["posterior"]] == ["1", "3", "5"]
    for row, expected in zip(content["posterior"], summary, strict=True):
        assert row == pytest.approx(asdict(expected))


def test_every_batch_is_a_tick(tmp_path, monkeypatch):
    """Of test, OOD and validation with each draw; of them and training at the mean."""
    sizes = {"test": 360, "photo-patches": 2000, "validation": 180, "train": 1257}
    monkeypatch.setattr(evaluate_module, "BATCH_SIZE", 250)
    phases, ticks = [], []
    monkeypatch.setattr(
        Reporter,
        "phase",
        lambda self, name, total, done=0: phases.append((name, total)),
    )
    monkeypatch.setattr(Reporter, "advance", lambda self: ticks.append(len(phases)))
    for optimizer, draws in (("vogn", 3), ("sgd", 0)):
        phases.clear()
        ticks.clear()
        run = run_of(tmp_path / optimizer, optimizer=optimizer, **IMAGES)
        assert train_run(run, show_bar=False).state == "finished"
        name, total = phases[-1]
        batches = {name: -(-size // 250) for name, size in sizes.items()}
        at_mean = sum(batches.values())
        assert name == "evaluating"
        assert total == at_mean + draws * (at_mean - batches["train"])
        assert ticks.count(len(phases)) == total


def test_a_network_without_features_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "MAX_FEATURES", 5)
    run = run_of(
        tmp_path / "a", dataset={"validation_fraction": 0}, training={"epochs": 1}
    )
    assert train_run(run, show_bar=False).state == "finished"
    assert read_json(run.evaluation)["notes"] == [features.NO_FEATURES]
    names = set(np.load(run.predictions))
    assert names == {
        "probabilities", "labels", "indices", "logits", "labels_train", "logits_train",
    }  # fmt: skip


def test_the_posterior_on_disk_predicts_what_the_run_does(images):
    run, bayesian = images
    assert run.posterior.exists() == bayesian
    if not bayesian:
        return
    posterior = load_posterior(run.posterior)
    data = load_dataset("digits")
    model = build_model("mlp", data.input_shape, data.num_classes)
    test = DeviceSplit.of(data.test, data.normalisation, torch.device("cpu"))
    inputs = test.normalised(test.inputs)
    probabilities = posterior.predict_proba(model, inputs, 200).numpy()
    got = negative_log_likelihood(probabilities, data.test.labels)
    expected = read_json(run.evaluation)["metrics"]["nll"]  # of 3 draws
    assert got == pytest.approx(expected, rel=0.1)
    assert posterior.metadata["num_data"] == len(data.train)


def test_the_images_are_those_of_the_rows_of_the_predictions(images):
    run, _ = images
    content, arrays = read_json(run.evaluation), np.load(run.images)
    data = load_dataset("digits")
    parts = {"": data.test, "_ood_photo-patches": load_ood("photo-patches", data)}
    for suffix, part in parts.items():
        rows = arrays[f"rows{suffix}"]
        np.testing.assert_array_equal(rows, np.arange(len(part)))  # they are small
        np.testing.assert_array_equal(arrays[f"images{suffix}"], part.inputs[:, 0])
    assert len(arrays.files) == 4
    assert content["map"] is None
    assert "gallery" not in content
    assert content["class_names"] == list("0123456789")


def test_what_a_network_elsewhere_must_know_is_noted(images):
    content, data = read_json(images[0].evaluation), load_dataset("digits")
    assert content["input_shape"] == [1, 8, 8]
    assert content["normalisation"]["mean"] == data.normalisation.mean.tolist()
    assert content["normalisation"]["std"] == data.normalisation.std.tolist()
    assert content["software"]["torch"] == torch.__version__


def test_points_get_a_map_and_no_images(points):
    run, bayesian = points
    content, data = read_json(run.evaluation), load_dataset("moons")
    shown = content["map"]
    assert content["ood"] == {}
    assert not run.images.exists()
    assert (len(shown["x"]), len(shown["y"])) == (MAP_CELLS, MAP_CELLS)
    for name in ("entropy", "mutual_information"):
        values = np.array(shown[name])
        assert values.shape == (MAP_CELLS, MAP_CELLS)
        assert values.min() >= 0
        assert values.max() <= np.log(2) + 1e-5  # it is rounded
    assert (np.max(shown["mutual_information"]) > 1e-4) == bayesian
    np.testing.assert_allclose(np.sum(shown["probability"], axis=0), 1, atol=1e-4)
    low, high = data.train.inputs.min(0), data.train.inputs.max(0)
    assert shown["x"][0] < low[0] < high[0] < shown["x"][-1]
    assert shown["y"][0] < low[1] < high[1] < shown["y"][-1]
    num_shown = min(MAP_POINTS, len(data.train))
    assert shown["points"]["labels"] == data.train.labels[:num_shown].tolist()
    np.testing.assert_allclose(
        shown["points"]["inputs"], data.train.inputs[:num_shown], atol=1e-4
    )


def test_the_map_has_the_points_where_they_are(points):
    """The map's most probable class at the cell of a point is mostly its label."""
    run, _ = points
    shown = read_json(run.evaluation)["map"]
    columns = np.searchsorted(shown["x"], [p[0] for p in shown["points"]["inputs"]])
    rows = np.searchsorted(shown["y"], [p[1] for p in shown["points"]["inputs"]])
    classes = np.argmax(shown["probability"], axis=0)[rows, columns]
    assert np.mean(classes == np.array(shown["points"]["labels"])) > 0.6


def test_devices_are_resolved(monkeypatch):
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:7"):
        with pytest.raises(ValueError, match=r"device must be one that .*\(0 CUDA"):
            resolve_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match=r"\(2 CUDA devices\), got 'cuda:2'"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_ranks_have_a_gpu_each(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    place = Ranks(rank=3, size=4, local_rank=1)  # the second machine's second
    assert resolve_device(name, place) == torch.device("cuda:1")
    assert resolve_device(name, Ranks()) == torch.device("cuda")
    assert resolve_device("cpu", place) == torch.device("cpu")
    with pytest.raises(ValueError, match=r"\(2 CUDA devices\), got 'cuda:2'"):
        resolve_device(name, Ranks(rank=2, size=4, local_rank=2))
    with pytest.raises(ValueError, match=r"for 4 processes, .*, got 'cuda:1'"):
        resolve_device("cuda:1", place)
