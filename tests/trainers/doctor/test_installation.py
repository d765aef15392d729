"""Tests of the checks of what is installed."""

import json
import subprocess
from importlib import metadata
from types import SimpleNamespace

import pytest

from trainers.doctor import FAIL, OK, WARN, installation

TOLD = {"version": "9.9", "cuda": "13.0", "devices": 0, "problem": "", "compiler": []}


def only(findings):
    (finding,) = findings
    return finding


def test_an_old_python_is_refused(monkeypatch):
    assert only(installation.python()).level == OK
    monkeypatch.setattr(installation, "MINIMUM", (99, 0))
    finding = only(installation.python())
    assert (finding.level, finding.advice) == (FAIL, "Use Python 99.0 or newer.")


def test_all_packages_are_there():
    finding = only(installation.packages())
    assert finding.level == OK
    for name in ("vogn-app", "torch", "torchvision", "timm", "streamlit", "plotly"):
        assert f"{name} {metadata.version(name)}" in finding.text


def test_missing_and_old_packages_are_named(monkeypatch, tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\ndependencies = ["torch>=99,<100"]\n'
        '[project.optional-dependencies]\napp = ["no-such-package>=2", "numpy"]\n'
    )
    monkeypatch.setattr(installation, "PROJECT", project)
    fine, old, missing = installation.packages()
    assert "numpy" in fine.text
    assert "torch" not in fine.text
    assert old.text.startswith("torch>=99,<100 is wanted, 2.")
    assert missing.text == "no-such-package>=2 is wanted, none is installed."
    assert {old.level, missing.level} == {FAIL}


def test_torch_is_asked_in_a_process_of_its_own():
    torch, compiler = installation.torch_and_compiler()
    assert (torch.name, torch.level) == ("torch", OK)
    assert metadata.version("torch") in torch.text
    assert compiler.name == "C compiler"


@pytest.mark.parametrize(
    ("told", "num_gpus", "level", "text"),
    [
        ({"devices": 2}, 2, OK, "torch 9.9 with CUDA 13.0 sees 2 CUDA devices."),
        ({}, 0, OK, "without a GPU, runs use the CPU"),
        ({"cuda": ""}, 1, FAIL, "is built without CUDA"),
        (
            {"problem": "driver too old"},
            1,
            FAIL,
            "cannot use the 1 GPUs here: d",
        ),
    ],
)
def test_torch_beside_the_gpus(told, num_gpus, level, text):
    finding = installation._torch(TOLD | told, num_gpus)
    assert finding.level == level
    assert text in finding.text
    assert bool(finding.advice) == (level == FAIL)


def answered(monkeypatch, **result):
    done = SimpleNamespace(**{"returncode": 0, "stdout": "", "stderr": ""} | result)
    monkeypatch.setattr(installation.subprocess, "run", lambda *_, **__: done)


def test_a_torch_that_does_not_load_is_told(monkeypatch):
    answered(monkeypatch, returncode=1, stderr="Trace\nImportError: libcudart\n")
    finding = only(installation.torch_and_compiler())
    assert (finding.level, finding.text) == (
        FAIL, "torch does not load: ImportError: libcudart",
    )  # fmt: skip
    answered(monkeypatch, returncode=-11)
    assert "exit code -11" in only(installation.torch_and_compiler()).text


def test_a_torch_that_hangs_is_told(monkeypatch):
    def hang(*_, **__):
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(installation.subprocess, "run", hang)
    assert "did not load within" in only(installation.torch_and_compiler()).text


def test_a_missing_compiler_is_a_warning(monkeypatch):
    answered(monkeypatch, stdout="noise\n" + json.dumps(TOLD))
    assert [f.level for f in installation.torch_and_compiler()] == [OK, WARN]
    answered(monkeypatch, stdout=json.dumps(TOLD | {"compiler": ["/bin/cc", "-m64"]}))
    _, compiler = installation.torch_and_compiler()
    assert compiler.text == "/bin/cc -m64 makes the CPU kernels."


def test_a_browser_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = only(installation.browser())
    assert (finding.level, finding.advice) == (OK, "")  # most want none
    assert "There is no Chromium or Chrome" in finding.text
    browser = tmp_path / "google-chrome"
    browser.touch(mode=0o755)
    finding = only(installation.browser())
    assert finding.level == OK
    assert str(browser) in finding.text
