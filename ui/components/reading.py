"""Run folders read for the pages: each file once, and again only when it changed."""

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import streamlit as st

from trainers.annotations import NONE, Annotations, read_annotations
from trainers.config import RunConfig
from trainers.jobs.launcher import JobState
from trainers.runs import RUN_ID, Run, RunError, find_run, load_config, read_json
from trainers.runs import read_metrics as read_new_metrics
from trainers.status import FINISHED, Status, observed
from ui.components import engine
from ui.components.latest import ABSENT, Latest, Stamp, bytes_before, stamp_of
from ui.components.results import NOTHING, Numbers, check_evaluation, results
from ui.components.series import Row
from ui.components.states import DAMAGED

__all__ = [
    "MetricsReader", "Seen", "Summary", "evaluation", "find", "forget", "metrics",
    "once_given", "stamp_of", "summaries", "summary", "told",
]  # fmt: skip

SCREENFUL = 40  # runs that are read however long it takes


class MetricsReader:
    """The metric rows of one run, of which each call reads only the new ones."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()  # one reader serves all sessions
        self._rows: list[Row] = []
        self._offset, self._end = 0, b""  # where it stands, and what is before that
        self._stamp: Stamp | None = None

    def rows(self) -> list[Row]:
        """All rows so far; anew when the file was replaced, as a resume does."""
        with self._lock:
            stamp = stamp_of(self._run.metrics)
            if stamp != self._stamp:
                self._read_on(stamp)
            return list(self._rows)

    def _read_on(self, stamp: Stamp) -> None:
        path = self._run.metrics
        goes_on = self._stamp is not None and stamp[2] == self._stamp[2]
        if not goes_on or bytes_before(path, self._offset) != self._end:
            self._rows, self._offset = [], 0
        new, self._offset = read_new_metrics(self._run, self._offset)
        self._rows += new
        self._stamp, self._end = stamp, bytes_before(path, self._offset)


# As many as a page may compare, and more: each look at a run without one reads it all.
# The time is for rows at which nobody looks any more: a long run has many megabytes.
@st.cache_resource(max_entries=256, ttl=timedelta(hours=1), show_spinner=False)
def _reader(path: str) -> MetricsReader:
    return MetricsReader(Run(Path(path)))


def metrics(run: Run) -> list[Row]:
    """The metric rows of a run."""
    return _reader(str(run.path)).rows()


def forget(run: Run) -> None:
    """Let go of the metric rows of a run, as when it was deleted."""
    _reader.clear(str(run.path))


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run at a glance; what could not be read is None and told in `problem`."""

    run: Run
    state: str
    job: JobState | None = None
    config: RunConfig | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    ood: Mapping[str, Numbers] = field(default_factory=dict)
    at_mean: Numbers = field(default_factory=dict)
    annotations: Annotations = NONE
    problem: str = ""
    pending: bool = False  # whether its results are still to be read

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


def summaries(runs: Sequence[Run], patience: float = math.inf) -> Seen:
    """Read many runs at a glance, with one question to the job engine.

    Args:
        runs: The runs, those first that are wanted first.
        patience: Seconds that may go to results that nobody has read yet, beyond the
            first screenful; runs that are left out are pending.

    Returns:
        A summary for each run, and why the engine could not be asked, "" if it could;
        then the summaries say what the folders do.
    """
    try:
        states, trouble = engine.states(runs), ""
    except RunError as error:
        states, trouble = {}, str(error)
    end = time.monotonic() + patience
    views = [
        _summary(run, states.get(run), k < SCREENFUL or time.monotonic() < end)
        for k, run in enumerate(runs)
    ]
    return views, trouble


def _summary(run: Run, job: JobState | None, read: bool) -> Summary:
    try:
        job = job or JobState(status=observed(run))
        _check(job.status)
        config = _config(run)
    except RunError as error:
        said, _ = _annotations(run)
        return Summary(
            run=run, state=DAMAGED, annotations=said, problem=told(run, error)
        )
    said, complaint = _annotations(run)
    numbers = results(run, read=read)
    known = numbers or NOTHING
    message = "" if job.status.state == FINISHED else job.status.message
    return Summary(
        run=run,
        state=job.status.state,
        job=job,
        config=config,
        metrics=known.metrics,
        ood=known.ood,
        at_mean=known.at_mean,
        annotations=said,
        problem=told(run, known.problem) or message or told(run, complaint),
        pending=numbers is None,
    )


def _check(status: Status) -> None:
    """Refuse a status that the pages could not show; RunError."""
    try:
        datetime.fromtimestamp(status.created, UTC)
    except (ValueError, OverflowError, OSError):
        raise RunError(f"status.json: created is no time: {status.created}.") from None


def told(run: Run, error: RunError | str) -> str:
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


@st.cache_resource(max_entries=16, show_spinner=False)
def _evaluation(
    path: str,
    stamp: Stamp,  # noqa: ARG001 - part of the cache's key
) -> dict[str, Any] | None:
    file = Run(Path(path)).evaluation
    if not file.exists():
        return None
    content = read_json(file)
    check_evaluation(Run(Path(path)), content)
    return cast("dict[str, Any]", content)


_configs: Latest[RunConfig] = Latest()
_said: Latest[tuple[Annotations, str]] = Latest()


def _config(run: Run) -> RunConfig:
    stamp = stamp_of(run.config)
    known = _configs.get(run.config, stamp)
    return known or _configs.put(run.config, stamp, load_config(run))


def _annotations(run: Run) -> tuple[Annotations, str]:
    """What people say of a run, and what is wrong with the file, "" if nothing."""
    stamp = stamp_of(run.annotations)
    if stamp == ABSENT:
        return NONE, ""
    known = _said.get(run.annotations, stamp)
    return known or _said.put(run.annotations, stamp, _read_annotations(run))


def _read_annotations(run: Run) -> tuple[Annotations, str]:
    try:
        return read_annotations(run), ""
    except RunError as error:
        return NONE, str(error)
