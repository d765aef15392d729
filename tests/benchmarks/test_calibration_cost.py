"""benchmarks/calibration_cost.py, and the measures it times."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import calibration_cost
from benchmarks.calibration_cost import Effort, table_line
from benchmarks.measures import NUM_CLASSES, NUM_DRAWS, NUM_SAMPLES, OURS, Predictions
from benchmarks.peers.measures import PEERS

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [
    "measure", "num_examples", "value", "seconds", "seconds_low", "seconds_high",
    "peer", "peer_seconds", "ratio", "difference", "agrees",
]  # fmt: skip
LEAST = Effort(5_000, 2)
MODULES = (
    "torchmetrics.functional.classification",
    "torchmetrics.functional.regression",
)


def test_every_measure_has_a_row_and_agrees_with_its_peer():
    rows = calibration_cost.measure(list(OURS), LEAST)
    assert [row["measure"] for row in rows] == list(OURS)
    assert {row["measure"] for row in rows if row["peer"]} == set(PEERS)
    for row in rows:
        assert list(row) == FIELDS
        assert row["num_examples"] == 5_000
        assert 0 < row["seconds_low"] <= row["seconds"] <= row["seconds_high"]
        assert np.isfinite(row["value"])
        if row["peer"]:
            assert row["agrees"], row
            assert row["ratio"] == row["seconds"] / row["peer_seconds"]
        else:
            assert row["ratio"] is row["difference"] is row["agrees"] is None


def test_every_peer_is_of_a_measure_and_named():
    assert set(PEERS) <= set(OURS)
    assert {peer.library for peer in PEERS.values()} == {
        "torchmetrics", "scikit-learn", "scipy",
    }  # fmt: skip


def test_a_number_that_differs_is_told(monkeypatch):
    wrong = replace(PEERS["nll"], run=lambda predictions: 0.1)
    monkeypatch.setitem(calibration_cost.PEERS, "nll", wrong)
    (row,) = calibration_cost.measure(["nll"], LEAST)
    assert row["agrees"] is False
    assert row["difference"] == pytest.approx(row["value"] - 0.1)
    assert table_line(row).endswith("scikit-learn  DIFFERS")


def test_a_library_that_is_not_installed_leaves_our_row_alone(monkeypatch):
    for module in MODULES:
        monkeypatch.setitem(sys.modules, module, None)
    ece, nll = calibration_cost.measure(["ece", "nll"], LEAST)
    assert ece["peer"] is None
    assert ece["seconds"] > 0
    assert nll["peer"] == "scikit-learn"
    assert len(table_line(ece)) < len(table_line(nll))


def test_an_import_error_of_our_own_is_not_hidden(monkeypatch):
    def broken(predictions):
        raise ImportError("ours")

    monkeypatch.setitem(calibration_cost.OURS, "nll", broken)
    with pytest.raises(ImportError, match="ours"):
        calibration_cost.measure(["nll"], LEAST)


def test_all_take_turns_in_each_repeat(monkeypatch):
    calls = []
    for name in ("accuracy", "nll"):
        monkeypatch.setitem(
            calibration_cost.OURS, name, lambda p, n=name: calls.append(n) or 0.5
        )
        monkeypatch.delitem(calibration_cost.PEERS, name)
    rows = calibration_cost.measure(["accuracy", "nll"], Effort(10, 20))
    assert calls[:2] == ["accuracy", "nll"]  # not timed
    rounds = [tuple(calls[i : i + 2]) for i in range(2, 42, 2)]
    assert set(rounds) == {("accuracy", "nll"), ("nll", "accuracy")}
    assert [row["value"] for row in rows] == [0.5, 0.5]


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    calibration_cost.measure(["nll"], LEAST)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_predictions_are_those_of_an_overconfident_model():
    """Of N = 20,000 the accuracy errs by at most 0.5 / sqrt(N) = 0.0035."""
    predictions = Predictions(20_000)
    probabilities = predictions.probabilities
    assert probabilities.shape == (20_000, NUM_CLASSES)
    assert predictions.samples.shape == (NUM_SAMPLES, 20_000, NUM_CLASSES)
    assert predictions.draws.shape == (NUM_DRAWS, 20_000)
    assert {probabilities.dtype, predictions.draws.dtype} == {np.dtype(np.float32)}
    accuracy = (probabilities.argmax(axis=1) == predictions.labels).mean()
    assert probabilities.max(axis=1).mean() - accuracy > 4 * 0.0035
    # torchmetrics has a bin of its own for a confidence of exactly 1.
    assert probabilities.max() < 1
    assert len(predictions.scores) == len(predictions.is_out) == 20_000
    assert predictions.scores[predictions.is_out].mean() > 0.9
    again = Predictions(20_000)
    assert np.array_equal(again.labels, predictions.labels)


def test_main_prints_the_table_and_writes_its_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(calibration_cost, "QUICK", LEAST)
    path = tmp_path / "rows.json"
    only = ["--only", "brier", "kernel_ce"]
    calibration_cost.main(["--quick", *only, "--json", str(path)])
    out = capsys.readouterr().out.splitlines()
    brier, kernel = json.loads(path.read_text())
    assert (brier["measure"], brier["peer"]) == ("brier", "scikit-learn")
    assert (kernel["measure"], kernel["peer"]) == ("kernel_ce", None)
    assert "threads: 1" in out[0]
    assert "scikit-learn" in out[1]
    assert "5,000 examples, 2 repeats" in out[1]
    assert out[3:] == [table_line(brier), table_line(kernel)]


def test_it_runs_as_a_script_beside_a_package_of_the_same_name(tmp_path):
    # Opacus installs one, which is found before an editable install.
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "benchmarks/calibration_cost.py", "--quick", "--only", "nll"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].split()[0] == "nll"
    assert not done.stderr
