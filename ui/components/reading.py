"""Run folders read for the pages: each file once, and again only when it changed."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from trainers.config import RunConfig
from trainers.jobs.launcher import JobState
from trainers.runs import RUN_ID, Run, RunError, find_run, load_config, read_json
from trainers.runs import read_metrics as read_new_metrics
from trainers.status import FINISHED, Status, observed
from ui.components import engine
from ui.components.formats import number
from ui.components.series import Row
from ui.components.states import DAMAGED


class MetricsReader:
    """The metric rows of one run, of which each call reads only the new ones."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()  # one reader serves all sessions
        self._rows: list[Row] = []
        self._offset = 0
        self._file = -1

    def rows(self) -> list[Row]:
        """All rows so far; anew when the file was replaced, as a resume does."""
        with self._lock:
            stamp = stamp_of(self._run.metrics)
            file, size = stamp[2], stamp[1]
            if file != self._file or size < self._offset:
                self._rows, self._offset, self._file = [], 0, file
            new, self._offset = read_new_metrics(self._run, self._offset)
            self._rows += new
            return list(self._rows)


@st.cache_resource(max_entries=64, show_spinner=False)
def _reader(path: str) -> MetricsReader:
    return MetricsReader(Run(Path(path)))


def metrics(run: Run) -> list[Row]:
    """The metric rows of a run."""
    return _reader(str(run.path)).rows()


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run at a glance; what could not be read is None and told in `problem`."""

    run: Run
    state: str
    job: JobState | None = None
    config: RunConfig | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def status(self) -> Status | None:
        """What the run's folder says, with a state that can be believed."""
        return self.job.status if self.job else None

    @property
    def position(self) -> int | None:
        """Place in the queue from 1, None for a run that is in none."""
        return self.job.position if self.job else None

    @property
    def group(self) -> str:
        """The name that it shares with others, "" for none."""
        return self.job.group if self.job else ""


# Summaries, and why the job engine could not be asked, "" if it could.
Seen = tuple[list[Summary], str]


def summary(run: Run) -> Summary:
    """Read a run at a glance; a damaged one gives a summary that says so."""
    return summaries([run])[0][0]


def once_given(first: Seen, look: Callable[[], Seen]) -> Callable[[], Seen]:
    """Look again, except at the first call, which gets what was seen just now.

    For a fragment: it is called at once by the page, which has looked already, and
    later by itself, when it must look anew.
    """
    seen = [first]
    return lambda: seen.pop() if seen else look()


def summaries(runs: Sequence[Run]) -> Seen:
    """Read many runs at a glance, with one question to the job engine.

    Returns:
        A summary for each run, and why the engine could not be asked, "" if it could;
        then the summaries say what the folders do.
    """
    try:
        states, trouble = engine.states(runs), ""
    except RunError as error:
        states, trouble = {}, str(error)
    return [_summary(run, states.get(run)) for run in runs], trouble


def _summary(run: Run, job: JobState | None) -> Summary:
    try:
        job = job or JobState(status=observed(run))
        _check(job.status)
        config = _config(str(run.path), stamp_of(run.config))
    except RunError as error:
        return Summary(run=run, state=DAMAGED, problem=told(run, error))
    problem = "" if job.status.state == FINISHED else job.status.message
    headline = {}
    try:
        headline = _headline(str(run.path), stamp_of(run.evaluation))
    except RunError as error:
        problem = told(run, error)
    return Summary(
        run=run,
        state=job.status.state,
        job=job,
        config=config,
        metrics=headline,
        problem=problem,
    )


def _check(status: Status) -> None:
    """Refuse a status that the pages could not show; RunError."""
    try:
        datetime.fromtimestamp(status.created, UTC)
    except (ValueError, OverflowError, OSError):
        raise RunError(f"status.json: created is no time: {status.created}.") from None


def told(run: Run, error: RunError) -> str:
    """What is wrong with a file of a run, for a page that names the run already."""
    return str(error).replace(f"{run.path}{os.sep}", "")


def find(name: str) -> Run | None:
    """The run of an id from the address bar; paths are not accepted from there."""
    if not RUN_ID.fullmatch(name):
        return None
    try:
        return find_run(name)
    except RunError:
        return None


def evaluation(run: Run) -> dict[str, Any] | None:
    """The evaluation of a run, None before there is one; RunError if damaged."""
    return _evaluation(str(run.path), stamp_of(run.evaluation))


def stamp_of(path: Path) -> tuple[int, int, int]:
    """What changes whenever a file does: time, size, and identity when replaced."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


@st.cache_resource(max_entries=16, show_spinner=False)
def _evaluation(
    path: str,
    stamp: tuple[int, int, int],  # noqa: ARG001 - part of the cache's key
) -> dict[str, Any] | None:
    file = Run(Path(path)).evaluation
    if not file.exists():
        return None
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("metrics"), dict):
        raise RunError(f"{file} is not an evaluation: it has no metrics.")
    return content


# Apart from the whole evaluation, which may hold maps: the table reads every run's, for
# which Streamlit's own caches take too long to find an entry.
@lru_cache(maxsize=4096)
def _headline(path: str, stamp: tuple[int, int, int]) -> dict[str, Any]:
    content = _evaluation(path, stamp)
    metrics = content["metrics"].items() if content else ()
    return {key: value for key, value in metrics if number(value)}


@lru_cache(maxsize=4096)
def _config(path: str, stamp: tuple[int, int, int]) -> RunConfig:  # noqa: ARG001
    return load_config(Run(Path(path)))
