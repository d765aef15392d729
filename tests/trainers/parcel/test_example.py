"""Tests of example.py: it is what was chosen, reads well, and runs."""

import re
import subprocess
import sys

import pytest

from tests.trainers.parcel.values import ALONE, OURS, others
from trainers.catalogue import OPTIMIZERS
from trainers.parcel.example import example
from trainers.parcel.settings import constructor

HERE = [name for name in OURS if name not in ALONE]  # the others: test_bundle.py


def texts():
    """Examples of all, by name, with defaults and with other values."""
    for name in OURS:
        spec = OPTIMIZERS[name]
        for which, values in (("defaults", {}), ("others", others(spec))):
            yield f"{name}_{which}", spec, values, example(spec, values)


def test_they_are_well_formed_and_hold_the_values(tmp_path):
    for name, spec, values, text in texts():
        assert constructor(
            spec, values, num_data="len(x)", indent=4,
            num_steps="EPOCHS * len(x) // BATCH_SIZE",
        ) in text  # fmt: skip
        assert "$" not in text
        assert "\n\n\n\n" not in text
        (tmp_path / f"{name}.py").write_text(text)
    rules = ["--isolated", "--select", "E,F,I,ANN,ARG,B,SIM", "--line-length=88"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_uncertainty_is_printed_where_there_is_a_posterior():
    assert "predict_proba" in example(OPTIMIZERS["noisy_kfac"], {})
    for name, values in (("kfac", {}), ("vogn", {"sampled": False}), ("ogn", {})):
        text = example(OPTIMIZERS[name], values)
        assert "posterior" not in text
        assert "def entropy" not in text


@pytest.mark.parametrize("name", HERE)
def test_it_runs(name, capsys):
    values = {"members": 2} if "members" in OPTIMIZERS[name].defaults() else {}
    text = example(OPTIMIZERS[name], values).replace("= 30, 50", "= 10, 50")
    exec(compile(text, name, "exec"), {"__name__": "__main__"})
    told = capsys.readouterr().out
    first, last = (float(each) for each in re.findall(r"loss (\S+)", told))
    assert last < first
    assert float(re.search(r"accuracy on new points: (\d\.\d+)", told)[1]) > 0.8


@pytest.mark.parametrize("name", ["kfac", "swag"])  # further ones: test_bundle.py
def test_it_runs_with_other_values(name, capsys):
    spec = OPTIMIZERS[name]
    text = example(spec, others(spec)).replace("= 30, 50", "= 4, 50")
    exec(compile(text, name, "exec"), {"__name__": "__main__"})
    assert re.search(r"^accuracy on new points: ", capsys.readouterr().out, re.M)
