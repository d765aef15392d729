"""The commands of `python -m trainers` that talk to the job engine, one file each.

They run in the process that a person started, beside trainings or without any, and
import neither torch nor, before they are called, the job store.
"""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

from trainers.commands import (
    clone,
    continual,
    doctor,
    estimate,
    mirror,
    queue,
    report,
    resume,
    serve,
    shift,
    stop,
    study,
    submit,
    tune,
)
from trainers.ranks import Ranks


class Command(Protocol):
    """What each file of a command offers."""

    HELP: str

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Add what can be said behind the command's name."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and return the exit code; ValueError and RunError are told."""


COMMANDS: dict[str, Command] = {
    "submit": submit,
    "queue": queue,
    "stop": stop,
    "resume": resume,
    "clone": clone,
    "serve": serve,
    "doctor": doctor,
    "estimate": estimate,
    "shift": shift,
    "report": report,
    "tune": tune,
    "study": study,
    "continual": continual,
    "mirror": mirror,
}


def add_commands(commands: Any) -> None:
    """Register all commands.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    for name, command in COMMANDS.items():
        parser = commands.add_parser(
            name, help=command.HELP, description=command.__doc__
        )
        command.add_flags(parser)
        parser.set_defaults(command=_alone(name, command.run))


def _alone(
    name: str, run: Callable[[argparse.Namespace], int]
) -> Callable[[argparse.Namespace, Ranks], int]:
    """Refuse to do once a rank what is to be done once, and print as far as wanted."""

    def checked(options: argparse.Namespace, ranks: Ranks) -> int:
        if ranks.size > 1:
            raise ValueError(f"{name} must be run by one process, got {ranks.size}.")
        try:
            code = run(options)
            sys.stdout.flush()
        except BrokenPipeError:  # who reads, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        return code

    return checked
