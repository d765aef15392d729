"""The processes of the job engine on this machine, each with its part."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from trainers.jobs.home import Home
from trainers.jobs.processes import ROLE, is_alive
from trainers.runs import Run


@dataclass(frozen=True)
class Member:
    """A living process that an engine started.

    Args:
        process: The process.
        part: "run", "supervisor", "mirror", "dispatcher", "predictor" or "errand".
        run: What it works on, of an errand its place; None for a dispatcher.
        home: The folder of its engine.
    """

    process: psutil.Process
    part: str
    run: Run | None
    home: Path


def members(home: Home) -> list[Member]:
    """The living processes of an engine, and of engines whose folder is gone."""
    found = [_member(process) for process in psutil.process_iter()]
    return [
        member
        for member in found
        if member and (member.home == home.folder or not member.home.exists())
    ]


def _member(process: psutil.Process) -> Member | None:
    try:
        variables = process.environ()
    except (psutil.Error, OSError):  # gone, or not ours to look at
        return None
    part, _, path = variables.get(ROLE, "").partition(" ")
    if not part or not is_alive(process):
        return None
    folder = Path(variables.get("VOGN_JOBS", ""))
    return Member(process, part, Run(Path(path)) if path else None, folder)
