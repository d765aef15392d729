"""benchmarks/quality.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import quality
from benchmarks.tasks import TASKS
from benchmarks.trials import METHODS, PACKAGE
from tests.benchmarks.examples import MOONS

ROOT = Path(__file__).resolve().parents[2]
ROW = {
    "accuracy": 0.9, "nll": 0.25, "ece": 0.01, "ood_auroc": None, "ood_fpr95": None,
    "train_seconds": 12.4, "predict_seconds": 3.2, "parameters": 61_706,
    "memory_mib": 55.5,
}  # fmt: skip
COSTS = ["12", "3", "61,706", "56"]


@pytest.fixture
def ivon_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ivon", None)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setitem(quality.TASKS, "moons-mlp", MOONS)


def test_the_table_has_the_median_the_spread_and_the_mean():
    rows = [{**ROW, "accuracy": accuracy} for accuracy in (0.9, 0.93, 0.6)]
    first, second = quality.table("vogn", rows).splitlines()
    assert first.split()[:3] == ["vogn", "0.9000", "(0.6000-0.9300)"]
    assert first.split()[-10:-6] == ["-", "-", "12", "(12-12)"]
    assert second.split() == ["mean", "0.8100", "0.2500", "0.0100", "-", "-", *COSTS]


def test_a_single_seed_has_no_spread_and_no_mean():
    cells = quality.table("vogn", [ROW]).split()
    assert cells == ["vogn", "0.9000", "0.2500", "0.0100", "-", "-", *COSTS]


def test_main_prints_the_tables_and_writes_their_rows(tmp_path, capsys, short):
    path = tmp_path / "rows.json"
    quality.main([
        "--task", "moons-mlp", "--only", "sgd", "adamw", "--seeds", "0", "1", "0",
        "--here", "--json", str(path),
    ])  # fmt: skip
    out, rows = capsys.readouterr().out, json.loads(path.read_text())
    keys = [(row["method"], row["seed"]) for row in rows]
    assert keys == [("adamw", 0), ("adamw", 1), ("sgd", 0), ("sgd", 1)]
    lines = out.splitlines()
    assert lines[0].startswith("vogn-app ")
    assert "threads: 1" in lines[0]
    assert (
        "mlp on moons, 800 training examples, 2 epochs, seeds [0, 1], OOD none" in lines
    )
    assert f"{(rows[2]['nll'] + rows[3]['nll']) / 2:.4f}" in lines[-1].split()


def test_the_command_line_decides_the_trials():
    options = quality.parse([])
    assert (options.task, options.seeds) == (["fashion-lenet"], [0, 1, 2])
    trials = quality.trials_of("fashion-lenet", "vogn", options)
    assert [trial.seed for trial in trials] == [0, 1, 2]
    assert {trial.task for trial in trials} == {TASKS["fashion-lenet"]}
    (trial,) = quality.trials_of(
        "digits-mlp", "vogn", quality.parse(["--epochs", "3", "--seeds", "7"])
    )
    assert (trial.task.epochs, trial.seed) == (3, 7)
    (trial,) = quality.trials_of("digits-mlp", "vogn", quality.parse(["--quick"]))
    assert (trial.task.epochs, trial.seed) == (1, 0)


@pytest.mark.parametrize("option", ["--jobs", "--epochs"])
def test_counts_are_positive(option, capsys):
    with pytest.raises(SystemExit):
        quality.parse([option, "0"])
    assert f"argument {option}: must be at least 1, got 0." in capsys.readouterr().err


def test_without_ivon_the_others_run(ivon_is_missing, capsys):
    methods = quality.methods_of(quality.parse([]))
    assert methods == [method for method in METHODS if method != PACKAGE]
    out = capsys.readouterr().out
    assert out == "ivon_opt is not installed and left out: pip install -e '.[bench]'\n"


def test_ivon_by_name_must_be_installed(ivon_is_missing, capsys):
    with pytest.raises(SystemExit):
        quality.parse(["--only", "vogn", PACKAGE])
    error = capsys.readouterr().err
    assert "--only must name what is installed, got 'ivon_opt': pip install" in error


@pytest.mark.slow
def test_two_processes_give_the_rows_of_one(tmp_path):
    # Opacus installs a package of the same name, found before an editable install.
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    options = ["--task", "moons-mlp", "--only", "vogn", "--epochs", "1"]
    quality.main([*options, "--here", "--seeds", "0", "1", "--json", str(paths[0])])
    done = subprocess.run(
        [sys.executable, "benchmarks/quality.py", *options, "--seeds", "0", "1",
         "--jobs", "2", "--json", paths[1]],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert not done.stderr
    assert "2 processes: seconds are of a machine shared by them" in done.stdout
    rows = [json.loads(path.read_text()) for path in paths]
    times = ("seconds", "train_seconds", "predict_seconds", "memory_mib")
    one, two = ([row | dict.fromkeys(times) for row in each] for each in rows)
    assert one == two
