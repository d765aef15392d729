"""Settings that the dashboard keeps for whoever submits runs through it.

They are the environment variables of `trainers.jobs.settings` that go with a run. One
that was set where the server was started wins; the others are kept in a file beside the
runs and put into the environment of the server.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from trainers.jobs.settings import check_submitter
from trainers.runs import RunError, is_there, read_json, runs_root, write_json

SCHEMA = 1
CACHE, MIRRORS, GRACE = "VOGN_CACHE", "VOGN_MIRRORS", "VOGN_STOP_GRACE"
NAMES = (CACHE, MIRRORS, GRACE)
_KEPT: set[str] = set()  # variables of this process that come from the file


def file() -> Path:
    """Where they are kept."""
    return runs_root() / ".settings.json"


def fixed(name: str) -> bool:
    """Whether a setting was made where this process was started."""
    return bool(os.environ.get(name)) and name not in _KEPT


def kept() -> dict[str, str]:
    """The settings of the file, {} without one.

    Raises:
        RunError: If it is damaged, or holds what cannot be.
    """
    if not is_there(file()):
        return {}
    content = read_json(file())
    values = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(values, dict) or content.get("schema") != SCHEMA:
        raise RunError(f"{file()} holds no settings of this version; delete it.")
    try:
        return checked(values)
    except ValueError as error:
        raise RunError(f"{file()}: {error}") from None


def checked(values: Mapping[str, object]) -> dict[str, str]:
    """Settings as they can be.

    Args:
        values: Text by the name of a variable; "" for one that is not set.

    Returns:
        Those that are set.

    Raises:
        ValueError: If a name is unknown or a value cannot be.
    """
    found = {}
    for name, value in values.items():
        if name not in NAMES:
            raise ValueError(
                f"setting must be one of {', '.join(NAMES)}, got {name!r}."
            )
        if not isinstance(value, str) or (value and not value.isprintable()):
            raise ValueError(f"{name} must be text in one line, got {value!r}.")
        if value.strip():
            found[name] = value.strip()
    if CACHE in found and not Path(found[CACHE]).expanduser().is_absolute():
        raise ValueError(
            f"{CACHE} must be a folder by its whole path, got {found[CACHE]!r}."
        )
    check_submitter(found)
    return found


def keep(values: Mapping[str, str]) -> None:
    """Write settings to the file, and use them from now on.

    Args:
        values: As for `checked`; those left out are unset.

    Raises:
        ValueError: If a value cannot be; nothing is changed.
        OSError: If the file cannot be written.
    """
    found = checked(values)
    file().parent.mkdir(parents=True, exist_ok=True)
    write_json(file(), {"schema": SCHEMA, "settings": found})
    _use(found)


def apply() -> None:
    """Put what is kept into the environment of this process.

    Raises:
        RunError: If the file is damaged.
    """
    _use(kept())


def _use(values: Mapping[str, str]) -> None:
    for name in NAMES:
        if fixed(name):
            continue
        os.environ.pop(name, None)
        _KEPT.discard(name)
        if name in values:
            os.environ[name] = values[name]
            _KEPT.add(name)
