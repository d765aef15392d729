"""The environment variables of the engine: whose they are, and what they may be.

Those of the machine belong to the dispatcher, whoever started it. All others go with
each run from its submitter to its trainer, and never from one run to another.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path

from trainers.jobs.devices import cpu_slots, minimum_free_share
from trainers.jobs.processes import ROLE
from trainers.mirrors import names_from

GRACE = 30.0  # seconds
MAX_GRACE = 86_400.0
HANDED = "VOGN_HANDED"  # from dispatcher to supervisor: the trainer's variables, JSON
MACHINE = frozenset({
    "VOGN_RUNS", "VOGN_JOBS", "VOGN_JOBS_URL", "VOGN_CPU_SLOTS", "VOGN_MIN_FREE_MEMORY",
    "VOGN_WEBHOOK",
})  # fmt: skip
OURS = frozenset({ROLE, HANDED})
PLACES = ("VOGN_CACHE", "VOGN_SYSTEM_DATA")  # paths: the trainer's folder is another


def of_submitter(environment: Mapping[str, str]) -> dict[str, str]:
    """What a trainer shall find as if it ran where it was submitted."""
    handed = {
        name: value for name, value in environment.items() if _is_submitters(name)
    }
    for name in PLACES:
        if handed.get(name):
            handed[name] = str(Path(handed[name]).absolute())
    return handed


def of_machine(environment: Mapping[str, str]) -> dict[str, str]:
    """What a dispatcher may inherit: nothing that is meant for one run."""
    return {
        name: value
        for name, value in environment.items()
        if not _is_submitters(name) and name not in OURS
    }


def _is_submitters(name: str) -> bool:
    own = name.startswith("VOGN_") and name not in MACHINE | OURS
    return own or name.endswith("_NUM_THREADS")


def check_machine(environment: Mapping[str, str]) -> None:
    """Refuse a dispatcher that could start nothing.

    Raises:
        ValueError: If a variable of the machine is not as it must be.
    """
    cpu_slots(environment.get("VOGN_CPU_SLOTS"))
    minimum_free_share(environment.get("VOGN_MIN_FREE_MEMORY"))


def check_submitter(environment: Mapping[str, str]) -> None:
    """Refuse a run whose supervisor would not know what is meant.

    Raises:
        ValueError: If a variable that goes with a run is not as it must be.
    """
    stop_grace(environment)
    if environment.get("VOGN_MIRRORS"):
        names_from(environment["VOGN_MIRRORS"])


def stop_grace(environment: Mapping[str, str] | None = None) -> float:
    """Seconds from SIGTERM to SIGKILL: `VOGN_STOP_GRACE`, by default 30.

    Raises:
        ValueError: If it is not a number in [0, 86400].
    """
    variables = os.environ if environment is None else environment
    text = variables.get("VOGN_STOP_GRACE") or str(GRACE)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_GRACE:
        raise ValueError(
            f"VOGN_STOP_GRACE must be a number of seconds in [0, {MAX_GRACE:g}], got "
            f"{text!r}."
        )
    return seconds
