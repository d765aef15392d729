"""Which runs a command means: by id or path, by group, or all."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path


from trainers.jobs.launcher import JobState
from trainers.runs import Run, find_run, list_runs

Seen = dict[Run, JobState]


def find_here(name: str) -> Run:
    """The run in the folder of that name here, else the run of that id.

    Raises:
        RunError: If there is none.
    """
    here = Path(name).absolute()
    return find_run(str(here) if name and here.is_dir() else name)
