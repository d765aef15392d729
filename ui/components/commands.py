"""The command of a run as people paste it: one option a line."""

import shlex

from trainers.config import RunConfig, command


def command_block(config: RunConfig) -> str:
    """The words of `trainers.config.command_line`, broken before each option.

    Args:
        config: A checked configuration.

    Returns:
        Several lines that a shell reads as one.
    """
    lines: list[list[str]] = [[]]
    for word in command(config):
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(shlex.join(words) for words in lines)
