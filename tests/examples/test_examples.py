"""Each example runs as it is, in a process of its own, and learns."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDS = {
    "lightning_classifier": "lightning",
    "accelerate_loop": "accelerate",
    "hf_trainer": "transformers",
    "timm_train": "timm",
}
SECONDS = 600  # on a machine that others use too


def test_every_example_is_tested_and_listed():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(NEEDS)
    text = (EXAMPLES / "README.md").read_text()
    assert all(f"examples/{name}.py" in text for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_an_example_runs_and_learns(name, tmp_path):
    pytest.importorskip(NEEDS[name], reason="its framework is not installed")
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^accuracy of the (\w+): (\d\.\d+)$", done.stdout, re.M)
    assert [kind for kind, _ in found] == ["mean", "posterior"]
    assert all(float(accuracy) > 0.7 for _, accuracy in found), found
