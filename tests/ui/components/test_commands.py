"""Tests of `ui/components/commands.py`."""

import shlex

from tests.ui.fakes import config
from trainers.config import (
    DatasetConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    command,
)
from ui.components.commands import block, command_block


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
