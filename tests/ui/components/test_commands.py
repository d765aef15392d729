"""Tests of `ui/components/commands.py`."""

import shlex
from argparse import ArgumentParser

from tests.trainers.continual.examples import settings
from tests.ui.fakes import config
from trainers.commands import continual
from trainers.config import (
    DatasetConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    command,
)
from trainers.continual.record import read_record
from trainers.continual.settings import DEFAULTS
from ui.components.commands import block, command_block, continual_block


def test_each_option_has_a_line_and_the_shell_reads_one_command():
    chosen = config(epochs=7)
    shown = command_block(chosen)
    assert shown.splitlines()[1] == "  --dataset digits \\"
    assert shlex.split(shown.replace("\\\n", "")) == command(chosen)


def test_a_folder_with_spaces_and_dashes_stays_one_word():
    chosen = RunConfig(
        dataset=DatasetConfig(name="folder", folder="/my --pictures"),
        model=ModelConfig(name="mlp"),
        optimizer=OptimizerConfig(name="sgd"),
    )
    assert "--folder '/my --pictures'" in command_block(chosen)


def test_values_of_an_option_stand_on_its_line():
    assert block(["submit", "--lr", "1", "2", "--seed", "0"]) == (
        "submit \\\n  --lr 1 2 \\\n  --seed 0"
    )


def test_the_command_of_tasks_gives_their_settings(tmp_path):
    chosen = settings(
        methods=("vogn", "joint"), hidden=(8, 4), validate=True, prior_strength=2.5,
        vogn={**DEFAULTS.vogn, "temperature": 0.5, "lr": "auto"},
    )  # fmt: skip
    words = shlex.split(continual_block(chosen).replace("\\\n", ""))
    assert words[:4] == ["python", "-m", "trainers", "continual"]
    parser = ArgumentParser()
    continual.add_flags(parser)
    options = parser.parse_args([*words[4:], "--run-dir", str(tmp_path / "a")])
    assert read_record(continual._begun(options)).settings == chosen
    assert continual_block(DEFAULTS) == "python -m trainers continual"
