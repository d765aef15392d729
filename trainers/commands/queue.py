"""Show what is at work and what waits, or arrange the queue."""

import argparse
import json
import reprlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trainers import jobs
from trainers.commands.choosing import (
    alive,
    known_runs,
)
from trainers.commands.tables import progress, table, what
from trainers.config import RunConfig
from trainers.jobs.launcher import JobState, checked_priority
from trainers.jobs.locks import is_held
from trainers.jobs.start import is_booting
from trainers.runs import Run, RunError, find_here, load_config
from trainers.status import QUEUED
from trainers.sweep import differing

if TYPE_CHECKING:
    from trainers.jobs.local import Engine

HELP = "show the queue, or arrange it"
TITLES = (
    "#", "state", "run", "group", "what", "priority", "progress", "waits for",
)  # fmt: skip

Rows = Mapping[Run, JobState]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `queue`."""
    parser.add_argument("--all", action="store_true", help="ended runs too")
    parser.add_argument("--json", action="store_true", help="for programs")
    change = parser.add_mutually_exclusive_group()
    change.add_argument(
        "--pause", action="store_true", help="start nothing more; what runs goes on"
    )
    change.add_argument("--unpause", action="store_true", help="start again")
    change.add_argument(
        "--move", nargs=2, metavar=("RUN", "PLACE"), help="to a place from 1 on"
    )
    change.add_argument(
        "--priority", nargs=2, metavar=("RUN", "N"), help="larger goes first"
    )


def run(options: argparse.Namespace) -> int:
    """Change what is to be changed, then show the queue."""
    engine = jobs.engine()
    _arrange(engine, options)
    known = known_runs(engine)
    rows = {r: s for r, s in known.items() if options.all or alive(s)}
    rows = dict(sorted(rows.items(), key=_order))
    if options.json:
        told = [content(each, state) for each, state in rows.items()]
        print(json.dumps({"paused": engine.paused, "runs": told}, indent=1))
    else:
        _print_table(rows, known)
        _print_notes(engine, rows)
    return 0


def _arrange(engine: "Engine", options: argparse.Namespace) -> None:
    if options.pause:
        engine.pause()
    elif options.unpause:
        engine.unpause()
    elif options.move:
        name, place = options.move
        engine.move(find_here(name), _place(place))
    elif options.priority:
        name, priority = options.priority
        engine.set_priority(find_here(name), checked_priority(priority))


def _place(text: str) -> int:
    try:
        place = int(text) if text.isdecimal() else 0
    except ValueError:  # more digits than Python reads
        place = 0
    if place < 1:
        shown = reprlib.repr(text)
        raise ValueError(f"place must be a whole number >= 1, got {shown}.")
    return place


def _order(row: tuple[Run, JobState]) -> tuple[int, int, float, str]:
    """At work first, then the queue, then what ended, the newest first."""
    each, state = row
    if not alive(state):
        return (2, 0, -(state.status.ended or 0.0), each.id)
    waits = state.status.state == QUEUED
    return (int(waits), state.position or 0, state.status.created, each.id)


def content(each: Run, state: JobState) -> dict[str, Any]:
    """A run as JSON-ready data.

    Args:
        each: The run.
        state: How it stands.

    Returns:
        Its id, path, place in the queue and status, and where its configuration can be
        read dataset, model and optimizer.
    """
    status = asdict(state.status)
    for name in ("trainer", "workers", "heartbeat", "error_tail"):
        status.pop(name)
    told: dict[str, Any] = {
        "run": each.id, "path": str(each.path), "position": state.position,
        "group": state.group, "priority": state.priority, "reason": state.reason,
    }  # fmt: skip
    config = _config(each)
    if config is not None:
        for name in ("dataset", "model", "optimizer"):
            told[name] = getattr(config, name).name
    return told | status


def _config(each: Run) -> RunConfig | None:
    try:
        return load_config(each)
    except RunError:
        return None


def _print_table(rows: Rows, known: Rows) -> None:
    groups = {state.group for state in rows.values() if state.group}
    configs = {
        each: _config(each)
        for each, state in known.items()
        if each in rows or state.group in groups
    }
    axes = {group: _axes(group, known, configs) for group in groups}
    lines = []
    for each, state in rows.items():
        config = configs[each]
        lines.append((
            str(state.position or ""),
            state.status.state,
            each.id,
            state.group,
            what(config, axes.get(state.group, ())) if config else "",
            str(state.priority),
            progress(state.status),
            state.reason,
        ))
    if lines:
        print(table(TITLES, lines))
    else:
        print("Nothing is queued and nothing runs.")


def _axes(
    group: str, known: Rows, configs: Mapping[Run, RunConfig | None]
) -> list[str]:
    """In which settings the runs of a group differ, ended ones included."""
    members = (config for each, config in configs.items() if known[each].group == group)
    return differing([config for config in members if config])


def _print_notes(engine: "Engine", rows: Rows) -> None:
    if engine.paused:
        print("The queue is paused; go on with: python -m trainers queue --unpause")
    waits = any(state.status.state == QUEUED for state in rows.values())
    home = engine.home
    if waits and not (is_held(home.dispatcher_lock) or is_booting(home)):
        print("No dispatcher runs, so nothing starts: python -m trainers serve")
