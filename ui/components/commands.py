"""A command as people paste it: one option a line."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from trainers.config import RunConfig, command
from trainers.continual.settings import DEFAULTS, ContinualSettings

_NO_FLAG = ("validation_fraction", "split_seed")  # of `continual`


def command_block(config: RunConfig) -> str:
    """The words of `trainers.config.command`, broken before each option.

    Args:
        config: A checked configuration.

    Returns:
        Several lines that a shell reads as one.
    """
    return block(command(config))


def continual_block(settings: ContinualSettings) -> str:
    """The same for a run of tasks: what differs from the defaults.

    Args:
        settings: Its settings. The split has no flag, and is that of the defaults.
    """
    usual, given = DEFAULTS.to_dict(), settings.to_dict()
    words = ["python", "-m", "trainers", "continual"]
    for name, value in given.items():
        if value != usual[name] and name not in _NO_FLAG:
            words += [f"--{name.replace('_', '-')}", *_values(value, usual[name])]
    return block(words)


def _values(value: Any, usual: Any) -> list[str]:
    """The words after a flag; none for a switch."""
    if isinstance(value, Mapping):
        return [f"{k}={v}" for k, v in value.items() if v != usual.get(k)]
    if isinstance(value, bool):
        return []
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def block(command: Sequence[str]) -> str:
    """The words of a command, broken before each option."""
    lines: list[list[str]] = [[]]
    for word in command:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(shlex.join(words) for words in lines)
