"""The library as a whole: names, imports, a copy under another name, the example."""

import ast
import doctest
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import vogn_app
from vogn_app.optim import vogn

FOLDER = Path(vogn_app.__file__).parent
SOURCES = sorted(FOLDER.rglob("*.py"))

STEP = """
import torch
from other_name import VOGN, UnsupportedLayerError

model = torch.nn.Linear(2, 3)
optimizer = VOGN(model, num_data=10)
before = model.weight.clone()
with optimizer.sampled_params(train=True):
    model(torch.randn(4, 2)).square().mean().backward()
optimizer.step()
assert not torch.equal(before, model.weight)
assert UnsupportedLayerError.__module__ == "other_name.errors"
import sys
assert "vogn_app" not in sys.modules
"""


def test_public_names_are_sorted_and_there():
    assert sorted(vogn_app.__all__, key=str.lower) == sorted(
        [
            "VOGN", "UnsupportedLayerError", "GaussianPosterior", "PosteriorError",
            "Categorical", "Bernoulli", "Gaussian", "optimizer_for", "KFAC", "SPNGD",
            "KroneckerPreconditioner", "NoisyKFAC", "MatrixGaussianPosterior",
            "load_posterior", "DropoutPosterior", "LowRankPosterior",
            "MixturePosterior", "Laplace", "learn_prior",
            "SGLD", "SGHMC", "SnapshotEnsemble",
            "Ensemble", "IVON", "Vadam", "SWAG", "MCDropout",
            "renew_running_statistics",
        ],
        key=str.lower,
    )  # fmt: skip
    assert all(hasattr(vogn_app, name) for name in vogn_app.__all__)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(FOLDER)))
def test_only_torch_and_the_standard_library_are_imported_and_itself_relatively(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        for name in names:
            assert name.split(".")[0] in {"torch", *sys.stdlib_module_names}


def test_a_copy_of_the_folder_works_under_another_name(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "other_name")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", STEP],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_example_in_the_docstring_runs():
    torch.set_default_dtype(torch.float32)
    results = doctest.testmod(vogn, extraglobs={"torch": torch})
    assert results.attempted >= 6
    assert results.failed == 0
