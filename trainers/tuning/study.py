"""The folder of a search: what was asked, what was tried, what came out. Torch-free.

| file | what |
|---|---|
| `study.json` | what was asked, the stages reached, versions, how it stands |
| `trials.jsonl` | a line a trial that is over, see `trainers.tuning.trial` |
| `best.json` | the configuration to launch |
| `tried.html`, `tried.png` | what was tried |

It goes on from `study.json` and `trials.jsonl` alone.
"""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from trainers.jobs.locks import FileLock
from trainers.runs import (
    RUN_ID,
    RunError,
    check_free,
    new_paths,
    read_json,
    runs_root,
    whole_path,
    write_atomically,
    write_json,
)
from trainers.tuning.asked import Asked
from trainers.tuning.stages import Stage
from trainers.tuning.trial import Trial

SCHEMA = 1
RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
VERSIONS = ("vogn-app", "torch", "optuna", "numpy")


@dataclass(frozen=True)
class Study:
    """The paths of one search."""

    path: Path

    @cached_property
    def about(self) -> Path:
        """What was asked, and how it stands."""
        return self.path / "study.json"

    @cached_property
    def trials(self) -> Path:
        """A line a trial that is over."""
        return self.path / "trials.jsonl"

    @cached_property
    def best(self) -> Path:
        """The configuration to launch."""
        return self.path / "best.json"

    @cached_property
    def page(self) -> Path:
        """What was tried, for a browser."""
        return self.path / "tried.html"

    @cached_property
    def picture(self) -> Path:
        """What was tried, in one picture."""
        return self.path / "tried.png"


def studies_folder() -> Path:
    """Where they are: a hidden folder among the runs, which no list of runs shows."""
    return runs_root() / ".studies"


def new_study(asked: Asked, path: Path | None = None) -> Study:
    """Create the folder of a search.

    Args:
        asked: What is wanted.
        path: The folder; by default a sortable unique name in `studies_folder()`.

    Returns:
        The new study.

    Raises:
        RunError: If the folder exists and is not empty, or cannot be made.
    """
    if path is None:
        path = studies_folder() / new_paths()[0].name
    study = Study(whole_path(path))
    check_free(study.path)
    try:
        study.path.mkdir(parents=True, exist_ok=True)
        versions = {name: _version(name) for name in VERSIONS}
        about = {
            "schema": SCHEMA,
            "asked": asked.to_dict(),
            "versions": {"python": platform.python_version(), **versions},
            "created": time.time(),
            "state": RUNNING,
            "message": "",
            "stages": [],
        }
        write_json(study.about, about)
    except OSError as error:
        raise RunError(f"study folder {path} cannot be made: {error}") from None
    return study


def find_study(name: str) -> Study:
    """Find a search by id, or by the path of its folder.

    Raises:
        RunError: If there is none.
    """
    candidates = [Path(name)]
    if RUN_ID.fullmatch(name):
        candidates.append(studies_folder() / name)
    for path in candidates:
        study = Study(whole_path(path))
        if name and os.path.isfile(study.about):
            return study
    raise RunError(f"There is no study {name!r} in {studies_folder()}.")


def load_asked(study: Study) -> Asked:
    """What was asked of a search.

    Raises:
        RunError: If `study.json` is missing or damaged.
    """
    content = read_json(study.about)
    try:
        schema = content["schema"]
        asked = Asked.from_dict(content["asked"])
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{study.about} is not a study: {error}") from None
    if schema != SCHEMA:
        raise RunError(f"{study.about} must have schema {SCHEMA}, got {schema!r}.")
    return asked


def note_state(study: Study, state: str, message: str = "") -> None:
    """Write how a search stands."""
    about = read_json(study.about) | {"state": state, "message": message}
    write_json(study.about, about)


def note_stage(study: Study, stage: Stage) -> None:
    """Write what a stage searches.

    Args:
        study: The folder.
        stage: The stage, which begins or is gone on with.

    Raises:
        RunError: If it was begun with another search, as other versions of the code
            may have it: its trials would not go together.
    """
    about = read_json(study.about)
    note = asdict(stage)
    reference = note.pop("reference")
    note["reference_nll"] = reference["scores"][-1]["nll"] if reference else None
    note = json.loads(json.dumps(note))
    stages = {each["name"]: each for each in about["stages"]}
    known = stages.get(stage.name, note)
    if known["space"] != note["space"] or known["num_trials"] != note["num_trials"]:
        raise RunError(
            f"Stage {stage.name!r} of {study.path} was begun by another version of the "
            "code, which searched it differently: begin a new study."
        )
    stages[stage.name] = note
    write_json(study.about, about | {"stages": [*stages.values()]})


def append_trial(study: Study, trial: Trial) -> None:
    """Write a trial that is over, for good."""
    line = json.dumps(trial.to_dict(), allow_nan=False) + "\n"
    with study.trials.open("ab") as file:
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read_trials(study: Study) -> list[Trial]:
    """All trials that are over, by stage and number as they were done.

    A half-written last line, of a process that was killed, is cut off.

    Raises:
        RunError: If another line is damaged.
    """
    try:
        content = study.trials.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{study.trials} cannot be read: {error}") from None
    whole = content[: content.rfind(b"\n") + 1]
    try:
        trials = [Trial.from_dict(json.loads(line)) for line in whole.splitlines()]
    except (ValueError, RecursionError) as error:
        raise RunError(f"{study.trials} is damaged: {error}") from None
    if whole != content:
        write_atomically(study.trials, whole)
    return trials


@contextmanager
def held(study: Study) -> Iterator[None]:
    """Keep other processes from the same search for the block.

    Raises:
        RunError: If one is at it.
    """
    with FileLock(study.path / ".lock") as lock:
        if not lock.acquire(patience=0.0):
            raise RunError(f"Another process is at the study {study.path}.")
        yield


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
