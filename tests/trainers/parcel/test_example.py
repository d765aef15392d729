"""Tests of example.py: it is what was chosen, and reads well."""

import subprocess
import sys

import pytest

from tests.trainers.parcel.values import OURS, others
from trainers.catalogue import OPTIMIZERS
from trainers.parcel.example import example
from trainers.parcel.settings import constructor


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("which", ["defaults", "others"])
def test_it_is_well_formed_and_holds_the_values(name, which, tmp_path):
    spec = OPTIMIZERS[name]
    values = others(spec) if which == "others" else {}
    text = example(spec, values)
    compile(text, "example.py", "exec")
    assert constructor(spec, values, num_data="len(x)", indent=4) in text
    assert "$" not in text
    assert "\n\n\n\n" not in text
    path = tmp_path / "example.py"
    path.write_text(text)
    rules = ["--isolated", "--select", "E,F,I,ANN,B,SIM"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, "--line-length", "88", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_uncertainty_is_printed_where_there_is_a_posterior():
    assert "predict_proba" in example(OPTIMIZERS["noisy_kfac"], {})
    for name, values in (("kfac", {}), ("vogn", {"sampled": False})):
        text = example(OPTIMIZERS[name], values)
        assert "posterior" not in text
        assert "def entropy" not in text
