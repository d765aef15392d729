"""benchmarks/trials.py."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import trials
from benchmarks.peers.training import Predictions
from benchmarks.trials import METHODS, OURS, PACKAGE, Trial, run_trial, run_trials
from tests.benchmarks.examples import DIGITS, MOONS
from trainers.catalogue import OPTIMIZERS, optimizer_spec
from trainers.runs import new_run, read_json
from trainers.session import train_run
from trainers.status import FINISHED

# Numbers of the issue, and what else is told.
FIELDS = [
    "dataset", "model", "method", "seed", "accuracy", "nll", "ece", "ood_auroc",
    "ood_fpr95", "seconds", "train_seconds", "predict_seconds", "memory_mib",
    "parameters", "epochs", "num_train", "settings",
]  # fmt: skip


def row_of(task, method, seed=0):
    if method == PACKAGE:
        pytest.importorskip("ivon")
    return run_trial(Trial(task, method, seed))


@pytest.mark.parametrize("method", ["vogn", PACKAGE])
def test_a_method_has_a_row(method):
    row = row_of(DIGITS, method, 3)
    assert list(row) == FIELDS
    assert (row["dataset"], row["model"]) == ("digits", "lenet5")
    assert (row["method"], row["seed"]) == (method, 3)
    assert (row["epochs"], row["num_train"]) == (1, 1_438)
    assert all(0 <= row[name] <= 1 for name in ("accuracy", "ece", "ood_auroc"))
    assert 0 < row["nll"] < 3  # log 10 is chance
    assert row["train_seconds"] > 0
    assert row["predict_seconds"] > 0
    assert row["train_seconds"] + row["predict_seconds"] == row["seconds"]
    assert row["parameters"] == 2 * 61_706  # means and precisions of LeNet-5
    assert row["memory_mib"] > 0
    assert row["settings"]["ood"] == "photo-patches"
    assert json.loads(json.dumps(row, allow_nan=False)) == row


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_where_there_is_no_ood_set(method):
    row = row_of(replace(MOONS, epochs=15, num_samples=8), method)
    assert row["ood_auroc"] is None
    assert row["ood_fpr95"] is None
    assert row["accuracy"] > 0.75  # 0.5 is chance


@pytest.mark.parametrize("method", ["vogn", "adamw", "sgd"])
@pytest.mark.parametrize("task", [MOONS, DIGITS], ids=["moons", "digits"])
def test_a_row_is_what_a_run_of_the_product_says(task, method, tmp_path):
    run = new_run(task.config(method, seed=1), "test", tmp_path / "run")
    assert train_run(run, show_bar=False).state == FINISHED
    content = read_json(run.evaluation)
    row = row_of(task, method, seed=1)
    for name in ("accuracy", "nll", "ece"):
        assert row[name] == content["metrics"][name]
    ood = content["ood"].get("photo-patches", {})
    assert (row["ood_auroc"], row["ood_fpr95"]) == (ood.get("auroc"), ood.get("fpr95"))
    assert (task is DIGITS) == bool(ood)


def test_the_whole_family_is_of_the_product():
    family = {name for name, spec in OPTIMIZERS.items() if spec.bayesian}
    assert set(OURS) == family | {"ogn", "adamw", "sgd"}


def test_networks_of_an_ensemble_are_counted():
    rows = [row_of(MOONS, method) for method in ("adamw", "ensemble")]
    assert rows[1]["parameters"] == 5 * rows[0]["parameters"]


def test_a_row_tells_the_settings():
    row = row_of(MOONS, "vogn")
    common = {"batch_size": 128, "schedule": "cosine", "test_samples": 32, "ood": None}
    assert row["settings"] == {**optimizer_spec("vogn").defaults(), **common}


def test_a_seed_decides_everything_but_the_time():
    first, again, other = (row_of(MOONS, "mc_dropout", seed) for seed in (0, 0, 1))
    assert first["nll"] == again["nll"] != other["nll"]


def test_a_training_that_diverged_is_told(monkeypatch):
    def broken(problem, training):
        return Predictions([np.full((len(problem.judged[0]), 2), np.nan)], {})

    monkeypatch.setitem(trials.METHODS, "sgd", broken)
    with pytest.raises(RuntimeError, match=r"diverged.*'moons'.*'sgd', seed=4"):
        run_trial(Trial(MOONS, "sgd", 4))


def test_rows_come_in_order():
    several = [
        Trial(MOONS, method, seed) for method in ("sgd", "adamw") for seed in (1, 0)
    ]
    rows = list(run_trials(several, num_jobs=0))
    assert [(row["method"], row["seed"]) for row in rows] == [
        ("sgd", 1), ("sgd", 0), ("adamw", 1), ("adamw", 0),
    ]  # fmt: skip
