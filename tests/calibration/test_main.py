"""The command line on a stranger's arrays, with the folder alone and without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calibration import accuracy
from calibration.__main__ import main
from tests.calibration.examples import random_labels, random_probabilities
from tests.test_architecture import imported_roots

ROOT = Path(__file__).resolve().parents[2]
PROBABILITIES, LABELS = random_probabilities(80, 3), random_labels(80, 3)

# What a stranger's machine lacks must not be needed.
ALONE = """
import runpy, sys
class Missing:
    def find_spec(self, name, *_):
        if name in {"torch", "torchvision", "trainers", "vogn_app", "data", "ui"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
sys.argv = ["calibration", *sys.argv[1:]]
runpy.run_module("calibration", run_name="__main__")
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "predictions.npz"
    np.savez(path, probabilities=PROBABILITIES, labels=LABELS)
    return path


def test_a_report_of_a_file(file, tmp_path, capsys):
    folder = tmp_path / "report"
    assert main(["report", str(file), "--output", str(folder), "--no-pdf"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert str(folder / "report.html") in printed
    content = json.loads((folder / "report.json").read_text())
    (model,) = content["models"]
    assert model["name"] == "predictions"
    assert model["metrics"]["accuracy"]["value"] == accuracy(PROBABILITIES, LABELS)


def test_two_files_under_names_of_choice(file, tmp_path):
    words = [str(file), str(file), "--name", "one", "--name", "two"]
    folder = str(tmp_path / "report")
    assert main(["report", *words, "--output", folder, "--no-pdf"]) == 0
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    (pair,) = content["comparisons"]
    assert set(pair["differences"]) == {"accuracy", "nll", "brier", "ece"}
    assert all(each["value"] == 0 for each in pair["differences"].values())


def test_the_numbers_alone(file, capsys):
    assert main(["measure", str(file)]) == 0
    printed = capsys.readouterr().out
    assert f"{accuracy(PROBABILITIES, LABELS):.4f}" in printed
    assert "80 examples." in printed


def test_what_a_file_may_hold_is_told(capsys):
    assert main(["arrays"]) == 0
    assert "validation_probabilities" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.npz"], "does not exist"),
        (["FILE", "--name", "a", "--name", "b"], "--name must be given once for each"),
        (["FILE", "FILE"], "names of models must differ"),
        (["FILE", "--bins", "0"], "num_bins must be an integer of at least 1"),
        (["FILE", "--far", "svhn"], "got 'svhn'"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(file, tmp_path, capsys, words, told):
    given = [str(file) if word == "FILE" else word for word in words]
    folder = tmp_path / "report"
    assert main(["report", *given, "--output", str(folder), "--no-pdf"]) == 2
    assert told in capsys.readouterr().err
    assert not folder.exists()


def test_the_requirements_are_what_is_imported():
    names = {"pillow": "PIL", "scikit-learn": "sklearn"}
    text = (ROOT / "calibration" / "requirements.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    needed = {names.get(n, n) for n in (line.partition(">=")[0] for line in lines)}
    own = {"calibration", *sys.stdlib_module_names}
    files = (ROOT / "calibration").rglob("*.py")
    assert {root for path in files for root in imported_roots(path)} - own == needed
    lowest = set((ROOT / "pyproject.toml").read_text().split('"'))
    assert set(lines) <= lowest


def test_the_folder_alone_does_on_a_machine_without_torch(file, tmp_path):
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "calibration", tmp_path / "calibration", ignore=skip)
    command = [sys.executable, "-c", ALONE, "report", str(file), "--no-pdf"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "report.html").exists()
