"""What README.md says is true: its code runs, its files, commands and flags exist."""

import re
import shlex
from pathlib import Path

import pytest

from trainers.__main__ import build_parser
from trainers.flags import configs_from_options

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
INLINE = re.findall(r"`(python -m [^`]*)`", README)
# Without comments, and each on a line.
LINES = [
    shlex.split(line, comments=True)
    for line in [*SHELL.replace("\\\n", "").splitlines(), *INLINE]
]
COMMANDS = [
    line[3:]
    for line in LINES
    if line[1:3] == ["-m", "trainers"] and line[0].endswith("python")
]


@pytest.mark.parametrize("code", BLOCKS)
def test_python_blocks_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the blocks may write files
    names = {}
    exec(code, names)
    assert names["probabilities"].shape == (300, 3)


def test_there_is_an_example():
    assert BLOCKS


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_and_their_flags_exist(words):
    """As far as that can be seen without doing it."""
    if words[-1] == "--help":
        with pytest.raises(SystemExit) as ended:
            build_parser().parse_args(words)
        assert ended.value.code == 0
        return
    options = build_parser().parse_args(words)  # it exits where something is unknown
    searches = words[0] in ("tune", "study", "continual")  # which make more of them
    if getattr(options, "dataset", None) and not searches:
        configs, _ = configs_from_options(options, getattr(options, "sweep", "grid"))
        assert len(configs) == (9 if words[0] == "submit" and "race" in words else 1)


def test_there_are_commands():
    named = {words[0] for words in COMMANDS}
    assert named >= {"run", "demo", "submit", "queue", "stop", "resume", "clone"}
    assert named >= {"doctor", "serve", "mirror", "tune", "study", "continual"}
    assert any("--group" in words for words in COMMANDS)  # on a line that goes on


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_linked_files_exist(path):
    assert (ROOT / path).is_file()


def test_make_targets_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"make (app|demo|test)\b", README)
    assert set(named) == {"app", "demo", "test"}
    assert set(named) <= set(targets)
