"""benchmarks/large_batch.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import large_batch
from benchmarks.peers import learning
from benchmarks.tasks import TASKS
from tests.benchmarks.examples import MOONS

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [
    "method", "batch_size", "target", "steps", "seconds", "epochs", "steps_low",
    "steps_high", "lr", "damping", "kl_clip", "num_seeds",
    "best_accuracy", "tried_epochs",
]  # fmt: skip
ROW = {
    "method": "kfac", "batch_size": 256, "target": 0.895, "steps": 120.0,
    "seconds": 3.25, "epochs": 0.5, "steps_low": 100, "steps_high": 140, "lr": 0.1,
    "damping": 1e-3, "kl_clip": 0.003, "num_seeds": 3, "best_accuracy": 0.9,
    "tried_epochs": 8.0,
}  # fmt: skip
NULL = {**ROW, "steps": None, "seconds": None, "epochs": None, "steps_high": None}


@pytest.fixture
def small(monkeypatch):
    """Two moons in the place of Fashion-MNIST."""
    monkeypatch.setattr(large_batch, "TASK", MOONS)
    monkeypatch.setattr(large_batch, "LIMITS", {100: 16, 800: 16})
    monkeypatch.setattr(large_batch, "QUICK_LIMITS", {100: 2})


def test_the_protocol():
    assert large_batch.TASK is TASKS["fashion-lenet"]
    assert large_batch.TARGETS == (0.88, 0.895)
    assert list(large_batch.LIMITS) == [256, 1_024, 4_096, 16_384, 60_000]
    assert list(large_batch.SETTINGS) == ["sgd", "adamw", "lamb", "kfac", "sp_ngd"]


def test_the_command_line_decides_the_plan():
    plan = large_batch.plan_of(large_batch.parse([]))
    assert plan.limits == large_batch.LIMITS
    assert (plan.num_settings, plan.seeds) == (4, (0, 1, 2))
    some = ["--batch-sizes", "4096", "256", "--seeds", "3", "0", "3"]
    plan = large_batch.plan_of(large_batch.parse(some))
    assert list(plan.limits) == [256, 4096]
    assert plan.seeds == (3, 0)
    quick = large_batch.plan_of(large_batch.parse(["--quick"]))
    assert (list(quick.limits), quick.num_settings, quick.seeds) == ([1024], 1, ())


@pytest.mark.parametrize("option", [["--batch-sizes", "512"], ["--only", "adam"]])
def test_what_is_not_in_the_protocol_is_refused(option, capsys):
    with pytest.raises(SystemExit):
        large_batch.parse(option)
    assert f"argument {option[0]}: invalid choice" in capsys.readouterr().err


def test_a_line_tells_the_spread_and_the_ratio_to_sgd():
    assert large_batch.table_line(ROW, 400.0).split() == [
        "256", "kfac", "89.5%", "120", "100-140", "0.30", "0.5", "3.2", "lr",
        "0.1,", "damping", "0.001,", "kl_clip", "0.003",
    ]  # fmt: skip
    first_order = {"lr": 0.3, "damping": None, "kl_clip": None}
    cells = large_batch.table_line({**ROW, **first_order, "steps_high": None}, None)
    assert cells.split()[4:6] == ["100--", "-"]
    assert cells.endswith("lr 0.3")


def test_a_line_without_figures_tells_how_far_it_got():
    line = large_batch.table_line(NULL, 400.0)
    assert "best 90.00% in 8 epochs  lr 0.1, damping 0.001, kl_clip 0.003" in line


def test_main_prints_the_table_writes_rows_and_resumes(
    small, tmp_path, capsys, monkeypatch
):
    path, cache = tmp_path / "rows.json", tmp_path / "curves.jsonl"
    options = [
        "--only", "kfac", "sgd", "--seeds", "0", "1", "--cache", str(cache),
        "--json", str(path),
    ]  # fmt: skip
    large_batch.main(options)
    out, rows = capsys.readouterr().out, json.loads(path.read_text())
    assert all(list(row) == FIELDS for row in rows)
    keys = [(row["batch_size"], row["method"], row["target"]) for row in rows]
    assert keys == [
        (size, method, target)
        for size in (100, 800)
        for method in ("sgd", "kfac")
        for target in (0.88, 0.895)
    ]
    lines = out.splitlines()
    assert lines[0].startswith("vogn-app ")
    assert "threads: 1" in lines[0]
    assert [line.split()[:2] for line in lines[2:]] == [
        [str(size), method] for size, method, _ in keys
    ]
    assert rows[2]["steps"] is not None  # K-FAC at a batch of 100
    monkeypatch.delattr(learning, "Learner")  # nothing is trained again
    large_batch.main(options)
    assert capsys.readouterr().out == out
    assert json.loads(path.read_text()) == rows


def test_quick_tries_one_setting(small, tmp_path, capsys):
    cache = tmp_path / "curves.jsonl"
    large_batch.main(["--quick", "--only", "adamw", "sp_ngd", "--cache", str(cache)])
    lines = [json.loads(line) for line in cache.read_text().splitlines()]
    known = {(line["method"], line["seed"], line["limit"]) for line in lines}
    assert known == {("adamw", 0, 2), ("sp_ngd", 0, 2)}
    assert len(capsys.readouterr().out.splitlines()) == 2 + 4


def test_it_runs_as_a_script_beside_a_package_of_the_same_name(tmp_path):
    # Opacus installs one, which is found before an editable install.
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "benchmarks/large_batch.py", "--help"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert "--batch-sizes" in done.stdout
    assert not done.stderr
