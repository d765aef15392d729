"""Tests of finished runs in memory."""

import numpy as np
import pytest
import torch

from data import DatasetError
from tests.trainers.examples import run_of
from trainers.batches import DeviceSplit
from trainers.checkpoint import LAST
from trainers.predict import predict_samples
from trainers.runs import RunError
from trainers.session import train_run
from trainers.status import STOPPED, check_finished, end_status, read_status
from trainers.trained import load_trained


@pytest.fixture(scope="module", params=["vogn", "noisy_kfac", "adamw"])
def run(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / request.param
    run = run_of(
        path, dataset="digits", optimizer=request.param,
        training={"epochs": 2, "batch_size": 400, "device": "cpu"},
    )  # fmt: skip
    assert train_run(run, show_bar=False).state == "finished"
    return run


def content_of(run):
    files = (path for path in run.path.rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in files}


def test_it_predicts_what_was_evaluated(run):
    before = content_of(run)
    trained = load_trained(run)
    split = DeviceSplit.of(
        trained.data.test, trained.data.normalisation, trained.device
    )
    (found,) = predict_samples(trained.model, trained.optimizer, [split], 3)
    with np.load(run.predictions) as arrays:  # of 3 samples, too
        np.testing.assert_allclose(found, arrays["probabilities"], atol=1e-6)
        np.testing.assert_array_equal(trained.data.test.labels, arrays["labels"])
    assert trained.config.dataset.name == "digits"
    assert content_of(run) == before


def test_a_run_that_is_not_finished_is_refused(tmp_path):
    run = run_of(tmp_path / "a", training={"epochs": 1})
    with pytest.raises(RunError, match=r"status.json does not exist"):
        check_finished(run)
    assert train_run(run, show_bar=False).state == "finished"
    check_finished(run)
    end_status(run, read_status(run), STOPPED)
    with pytest.raises(RunError, match="run a must be finished, got one that is stop"):
        load_trained(run)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no checkpoint", "cannot be restored"),
        ({"schema": 2}, "has schema 2, not 1"),
        ({"schema": 1, "model": {}}, "cannot be restored"),
        (None, "cannot be restored: .*No such file"),
    ],
)
def test_a_damaged_checkpoint_is_named(tmp_path, content, told):
    run = run_of(tmp_path / "a", training={"epochs": 1})
    assert train_run(run, show_bar=False).state == "finished"
    path = run.checkpoint / LAST
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(RunError, match=rf"last.pt (?s:{told})"):
        load_trained(run)


def test_missing_data_are_named(run, monkeypatch):
    def gone(*_, **__):
        raise DatasetError("It is gone.")

    monkeypatch.setattr("trainers.session.load_dataset", gone)
    with pytest.raises(DatasetError, match="It is gone"):
        load_trained(run)
