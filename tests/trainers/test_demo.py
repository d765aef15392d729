"""`python -m trainers demo`."""

import math

import pytest

from trainers.catalogue import OPTIMIZERS
from trainers.demo import HYPERPARAMETERS, demo, demo_config, table
from trainers.runs import list_runs
from trainers.status import FINISHED, read_status


def test_table_aligns_titles_and_numbers():
    rows = [
        {"optimizer": "vogn", "NLL": 0.03, "seconds": 12.34},
        {"optimizer": "adamw", "NLL": math.nan, "seconds": 4.0},
    ]
    lines = table(rows)
    assert [len(line) for line in lines] == [len(lines[0])] * 4
    assert lines[0].split() == ["optimizer", "NLL", "seconds"]
    assert lines[2].split() == ["vogn", "0.0300", "12.3"]
    assert lines[3].split() == ["adamw", "nan", "4.0"]


@pytest.mark.parametrize("optimizer", HYPERPARAMETERS)
def test_both_runs_differ_in_the_optimizer_alone(optimizer):
    config, other = demo_config(optimizer), demo_config("adamw")
    assert config.optimizer.name == optimizer
    assert (config.dataset, config.training) == (other.dataset, other.training)


def test_demo_trains_both_and_prints_them_side_by_side(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("trainers.demo.EPOCHS", 1)
    assert demo() == 0
    printed = capsys.readouterr().out
    runs = list_runs()
    assert len(runs) == len(HYPERPARAMETERS)
    for run in runs:
        assert read_status(run).state == FINISHED
        assert str(run.path) in printed
    for title in ("accuracy", "NLL", "ECE", "OOD AUROC", "seconds", *HYPERPARAMETERS):
        assert title in printed
    assert set(HYPERPARAMETERS) <= set(OPTIMIZERS)


def test_demo_says_why_a_run_did_not_finish(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("trainers.demo.HYPERPARAMETERS", {"sgd": {"lr": 1e6}})
    assert demo() == 1
    assert "failed: The training loss diverged" in capsys.readouterr().out
