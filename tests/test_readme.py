"""What README.md says is true: its Python runs, its files and make targets exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS)
def test_python_blocks_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the blocks may write files
    names = {}
    exec(code, names)
    assert names["probabilities"].shape == (300, 3)


def test_there_is_an_example():
    assert BLOCKS


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_linked_files_exist(path):
    assert (ROOT / path).is_file()


def test_make_targets_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"make (app|demo|test)\b", README)
    assert set(named) == {"app", "demo", "test"}
    assert set(named) <= set(targets)
