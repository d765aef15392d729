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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from trainers.checks import check_int
from trainers.config import EvaluationConfig, OptimizerConfig, RunConfig
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
from trainers.tuning.halving import Halving
from trainers.tuning.stages import BY_ELBO, BY_SEARCH, PRIORS, Stage
from trainers.tuning.trial import Trial

SCHEMA = 1
RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
MAX_TRIALS = 10_000
LEARNERS = ("vogn", "ivon", "vadam")  # with a prior precision that ELBO can set
VERSIONS = ("vogn-app", "torch", "optuna", "numpy")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants tuned.

    Args:
        config: The run to tune; its epochs are a trial's most, its seed is that of all
            trials and of the search.
        given: Hyper-parameters that were chosen, and so are not searched.
        num_trials: Most trials a stage.
        min_epochs: Epochs of every trial.
        factor: Of the trials at a rung one in so many goes on.
        num_samples: Posterior samples on the validation split after each epoch.
        prior: "search", or "elbo" for a prior precision that training itself finds.
    """

    config: RunConfig
    given: Sequence[str] = ()
    num_trials: int = 20
    min_epochs: int = 1
    factor: int = 3
    num_samples: int = 16
    prior: str = BY_SEARCH

    def __post_init__(self) -> None:
        check_int("trials", self.num_trials, 1, MAX_TRIALS)
        check_int("num_samples", self.num_samples, 1, 4096)
        assert self.halving.rungs is not None, "which checks its numbers"
        if self.prior not in PRIORS:
            raise ValueError(
                f"prior must be one of {', '.join(PRIORS)}, got {self.prior!r}."
            )
        if self.prior == BY_ELBO and self.config.optimizer.name not in LEARNERS:
            raise ValueError(
                f"prior must be {BY_SEARCH} for optimizer "
                f"{self.config.optimizer.name!r}, got {BY_ELBO!r}, which is for "
                f"{', '.join(LEARNERS)}."
            )
        if not self.config.dataset.validation_fraction:
            raise ValueError(
                "validation_fraction must be > 0 for a search, which looks at nothing "
                "but the validation split, got 0."
            )
        if self.config.training.num_processes > 1:
            raise ValueError(
                "num_processes must be 1 for a search, got "
                f"{self.config.training.num_processes}."
            )

    @property
    def halving(self) -> Halving:
        """When trials are ended."""
        return Halving(
            max_epochs=self.config.training.epochs,
            min_epochs=self.min_epochs,
            factor=self.factor,
        )

    @property
    def seed(self) -> int:
        """Of all trials, and of what is suggested."""
        return self.config.training.seed

    def configured(self, optimizer: str, settings: Mapping[str, Any]) -> RunConfig:
        """The run with other hyper-parameters, or with another optimizer."""
        chosen = OptimizerConfig(name=optimizer, hyperparameters=settings)
        return replace(self.config, optimizer=chosen)

    def tried(self, optimizer: str, settings: Mapping[str, Any]) -> RunConfig:
        """The run as a trial does it: with this search's samples on validation."""
        evaluation = asdict(self.config.evaluation)
        evaluation["validation_samples"] = self.num_samples
        config = self.configured(optimizer, settings)
        return replace(config, evaluation=EvaluationConfig(**evaluation))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        rest = {name: getattr(self, name) for name in _PLAIN}
        given = list(self.given)
        return {"config": self.config.to_dict(), "given": given, **rest}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Asked":
        """What `to_dict` gave; ValueError if it is nothing of the kind."""
        try:
            rest = {name: content[name] for name in _PLAIN}
            config = RunConfig.from_dict(content["config"])
            return cls(config=config, given=tuple(content["given"]), **rest)
        except (KeyError, TypeError) as error:
            raise ValueError(f"what was asked is damaged: {error!r}") from None


_PLAIN = ("num_trials", "min_epochs", "factor", "num_samples", "prior")


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
