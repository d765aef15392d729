"""Tests of the code to copy: every line of it runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainers.parcel.values import others
from trainers.catalogue import OPTIMIZERS
from trainers.parcel.frameworks import ACCELERATE, HUGGING_FACE, LIGHTNING
from trainers.parcel.settings import WIDTH, constructor, has_posterior
from trainers.parcel.snippets import IN_FRONT, PLAIN, plain_loop, snippets

ROOT = Path(__file__).resolve().parents[3]
RUNNER = Path(__file__).with_name("snippet_runner.py")
NEEDS = {
    PLAIN: "torch", LIGHTNING: "lightning", HUGGING_FACE: "transformers",
    ACCELERATE: "accelerate", IN_FRONT: "torch",
}  # fmt: skip
CASES = [
    *((name, {}) for name in OPTIMIZERS),
    *((name, others(spec)) for name, spec in OPTIMIZERS.items()),
    ("vogn", {"sampled": False, "num_samples": 2}),
    ("kfac", {"kl_clip": 0, "nesterov": True}),
]


def snippet(name, values, title):
    return next(s for s in snippets(OPTIMIZERS[name], values) if s.title == title)


@pytest.mark.slow
@pytest.mark.parametrize("title", NEEDS)
def test_every_snippet_runs(title, tmp_path):
    pytest.importorskip(NEEDS[title], reason="its framework is not installed")
    cases = [case for case in CASES if title != IN_FRONT or case[0] == "kfac"]
    given = [
        [f"{name} {values}", title, snippet(name, values, title).code]
        for name, values in cases
    ]
    done = subprocess.run(
        [sys.executable, RUNNER], cwd=tmp_path, input=json.dumps(given), text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, timeout=500, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAILED")]
    fine = [line for line in lines if line.startswith("fine")]
    assert not failed, "\n".join([*failed, done.stderr[-6000:]])
    assert len(fine) == len(cases), done.stderr[-3000:]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_frameworks_are_there_in_about_ten_lines(name):
    for values, most in (({}, 17), (others(OPTIMIZERS[name]), 23)):
        found = snippets(OPTIMIZERS[name], values)
        extra = [IN_FRONT] if name == "kfac" else []
        assert [s.title for s in found] == [
            PLAIN, LIGHTNING, HUGGING_FACE, ACCELERATE, *extra
        ]  # fmt: skip
        for each in found:
            lines = [line for line in each.code.splitlines() if line.strip()]
            assert len(lines) <= most, each.code
            assert all(len(line) <= WIDTH for line in lines), each.code
            assert each.code.endswith("\n")
    assert len(plain_loop(OPTIMIZERS[name], {}).code.splitlines()) <= 13


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_values_chosen_are_in_every_snippet(name):
    spec = OPTIMIZERS[name]
    values = {"lr": 0.0625}
    for each in snippets(spec, values):
        assert "lr=0.0625" in each.code
        assert "auto," not in each.code
        assert "None" not in each.code.replace("optimizers=(optimizer, None)", "")
    assert constructor(spec, values, num_data="len(loader.dataset)") in (
        plain_loop(spec, values).code
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_bayesian_ones_predict_with_their_posterior(name):
    spec = OPTIMIZERS[name]
    for each in snippets(spec, {}):
        assert ("posterior.predict_proba" in each.code) == has_posterior(spec, {})
    assert "automatic" not in plain_loop(spec, {}).code


def test_draws_of_a_step_are_a_loop():
    assert (
        "for _ in range(4):" in plain_loop(OPTIMIZERS["vogn"], {"num_samples": 4}).code
    )


def test_without_a_posterior_there_is_none_to_ask():
    code = plain_loop(OPTIMIZERS["vogn"], {"sampled": False}).code
    assert "sampled=False" in code
    assert "sampled_params(train=True)" in code
    assert "posterior" not in code


def test_the_preconditioner_has_no_clip_if_none_was_chosen():
    code = snippet("kfac", {"kl_clip": 0, "damping": 0.5}, IN_FRONT).code
    assert "KroneckerPreconditioner(model, damping=0.5)" in code


def test_wrong_values_give_no_code():
    with pytest.raises(ValueError, match="momentum must be"):
        snippets(OPTIMIZERS["vogn"], {"momentum": 1.0})
