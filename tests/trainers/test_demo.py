"""`python -m trainers demo`."""

import math
from dataclasses import replace

import pytest

from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig
from trainers.demo import METHODS, demo, demo_config, table
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


@pytest.mark.parametrize("optimizer", METHODS)
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
    assert len(runs) == len(METHODS)
    for run in runs:
        assert read_status(run).state == FINISHED
        assert str(run.path) in printed
    for title in ("accuracy", "NLL", "ECE", "OOD AUROC", "seconds", *METHODS):
        assert title in printed
    assert set(METHODS) <= set(OPTIMIZERS)


def test_demo_says_why_a_run_did_not_finish(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path / "runs"))
    diverging = OptimizerConfig(name="sgd", hyperparameters={"lr": 1e6})
    config = replace(demo_config("sgd"), optimizer=diverging)
    monkeypatch.setattr("trainers.demo.demo_config", lambda name: config)
    assert demo() == 1
    assert "failed: The training loss diverged" in capsys.readouterr().out
