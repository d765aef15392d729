"""Tests of the code to copy: every line of it runs."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.trainers.parcel.values import others
from trainers.catalogue import OPTIMIZERS
from trainers.parcel.frameworks import ACCELERATE, HUGGING_FACE, LIGHTNING
from trainers.parcel.pieces import needs
from trainers.parcel.settings import MAKERS, WIDTH, constructor, has_posterior
from trainers.parcel.snippets import IN_FRONT, PLAIN, plain_loop, snippets

ROOT = Path(__file__).resolve().parents[3]
RUNNER = Path(__file__).with_name("snippet_runner.py")
NEEDS = {
    PLAIN: "torch", LIGHTNING: "lightning", HUGGING_FACE: "transformers",
    ACCELERATE: "accelerate", IN_FRONT: "torch",
}  # fmt: skip
OGN = ("vogn", {"sampled": False, "num_samples": 2})
OTHERS = [(n, others(OPTIMIZERS[n])) for n in ("vogn", "kfac", "lamb", "multi_vogn")]
# The code for other libraries is the same but for the line that makes the optimizer.
REPRESENTATIVES = ("vogn", "ogn", "kfac", "lamb", "mc_dropout", "laplace")
FRAMEWORKS = [
    *((name, {}) for name in (*REPRESENTATIVES, "ivon", "noisy_kfac")),
    OTHERS[0], OGN,
]  # fmt: skip
CASES = {
    PLAIN: [*((name, {}) for name in OPTIMIZERS), *OTHERS, OGN],
    LIGHTNING: FRAMEWORKS,
    HUGGING_FACE: [case for case in FRAMEWORKS if case[0] != "laplace"],
    ACCELERATE: FRAMEWORKS,
    IN_FRONT: [
        ("kfac", {}), OTHERS[1], ("kfac", {"kl_clip": 0, "nesterov": True}),
    ],
}  # fmt: skip


def snippet(name, values, title):
    return next(s for s in snippets(OPTIMIZERS[name], values) if s.title == title)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What running all snippets prints, and its errors.

    They share a process, since most of the time goes into imports, and this one imports
    no framework.
    """
    given = [
        [f"{name} {values}", title, snippet(name, values, title).code]
        for title in NEEDS
        if find_spec(NEEDS[title])
        for name, values in CASES[title]
    ]
    done = subprocess.run(
        [sys.executable, RUNNER], cwd=tmp_path_factory.mktemp("snippets"),
        input=json.dumps(given), text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, timeout=500, check=False,
    )  # fmt: skip
    return done.stdout.splitlines(), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("title", NEEDS)
def test_every_snippet_runs(title, ran):
    if not find_spec(NEEDS[title]):
        pytest.skip("its framework is not installed")
    lines, errors = ran
    own = [line for line in lines if line.endswith(f": {title}")]
    failed = [line for line in own if line.startswith("FAILED")]
    fine = [line for line in own if line.startswith("fine")]
    assert not failed, "\n".join([*failed, errors[-6000:]])
    assert len(fine) == len(CASES[title]), errors[-3000:]


def kind_of(name):
    """What decides the code for other libraries, beside the name and the values."""
    maker, spec = MAKERS[name], OPTIMIZERS[name]
    given = maker.num_data, maker.blocks, maker.finishes, has_posterior(spec, {})
    return (*given, needs(spec))


def without_maker(code):
    """Code without the import and the call of what makes the optimizer."""
    lines = [x for x in code.splitlines() if not x.startswith("from") or "lib" in x]
    text = "\n".join(line for line in lines if "import" not in line)
    return re.sub(
        r"(optimizer =|return) \w+\((self\.)?model\b[^\n]*\)\n", r"\1 it\n", text
    )


@pytest.mark.parametrize("title", [LIGHTNING, HUGGING_FACE, ACCELERATE])
def test_the_code_for_other_libraries_differs_in_one_line_alone(title):
    found = {}
    for name, spec in OPTIMIZERS.items():
        for each in snippets(spec, {}):
            if each.title == title:
                codes = found.setdefault(kind_of(name), {})
                codes[name] = without_maker(each.code)
    for codes in found.values():
        assert len(set(codes.values())) == 1, codes
        assert codes.keys() & set(REPRESENTATIVES)
        assert all(" it\n" in code for code in codes.values())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_there_is_code_for_all_that_can_run_it_in_about_ten_lines(name):
    spec, maker = OPTIMIZERS[name], MAKERS[name]
    alone = spec.own_schedule or maker.members
    frameworks = [] if alone else [LIGHTNING, HUGGING_FACE, ACCELERATE]
    if maker.finishes and not alone:
        frameworks.remove(HUGGING_FACE)
    titles = [PLAIN, *frameworks, *([IN_FRONT] if name == "kfac" else [])]
    more = 4 if alone else 0
    for values, most in (({}, 17 + more), (others(spec), 23 + more)):
        found = snippets(spec, values)
        assert [s.title for s in found] == titles
        for each in found:
            lines = [line for line in each.code.splitlines() if line.strip()]
            assert len(lines) <= most, each.code
            assert all(len(line) <= WIDTH for line in lines), each.code
            assert each.code.endswith("\n")
    # A schedule is two lines and an end is one; several networks are seven at most.
    most = 13 + 2 * spec.own_schedule + maker.finishes + 7 * maker.members
    assert len(plain_loop(spec, {}).code.splitlines()) <= most


def test_a_method_says_what_else_its_loop_must_do():
    code = plain_loop(OPTIMIZERS["swag"], {}).code
    for line in (
        "optimizer = SWAG(model, num_steps=10 * len(loader))",
        "schedule = LambdaLR(optimizer, optimizer.lr_factor)",
        "        schedule.step()",
        "optimizer.finish(lambda: loader)",
    ):
        assert f"\n{line}\n" in code
    code = plain_loop(OPTIMIZERS["multi_vogn"], {"members": 3}).code
    assert "models = [new_model() for _ in range(3)]\n" in code
    block = code[code.index("        for member in") : code.index("\n\nposterior")]
    assert block.splitlines() == [
        "        for member in optimizer.own:",
        "            with member.optimizer.sampled_params(train=True):  "
        "# draws the weights",
        "                F.cross_entropy(member.model(inputs), labels).backward()",
        "        optimizer.step()",
    ]
    assert "predict_proba(models[0], test_inputs)  # 33 draws" in code


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_values_chosen_are_in_every_snippet(name):
    spec = OPTIMIZERS[name]
    values = {"lr": 0.0625}
    for each in snippets(spec, values):
        assert "lr=0.0625" in each.code
        assert "auto," not in each.code
        code = each.code.replace("optimizers=(optimizer, None)", "")
        assert "None" not in code.replace("process_group=None", "")
    made = constructor(
        spec, values, num_data="len(loader.dataset)", num_steps="10 * len(loader)"
    )
    assert made in plain_loop(spec, values).code


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
