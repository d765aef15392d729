"""A command as people paste it: one option a line."""

import shlex
from collections.abc import Sequence

from trainers.config import RunConfig, command


def command_block(config: RunConfig) -> str:
    """The words of `trainers.config.command`, broken before each option.

    Args:
        config: A checked configuration.

    Returns:
        Several lines that a shell reads as one.
    """
    return block(command(config))


def block(command: Sequence[str]) -> str:
    """The words of a command, broken before each option."""
    lines: list[list[str]] = [[]]
    for word in command:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(shlex.join(words) for words in lines)
