"""Configurations that people saved under a name, beside the runs. Torch-free.

Each is a file as `config.json` of a run is, so that `--config FILE` takes it, and one
taken from a run can be brought here. Its name is the file's, its time the file's.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainers.config import RunConfig
from trainers.runs import RUN_ID, RunError, runs_root, write_json

SUFFIX = ".json"
MAX_BYTES = 100_000  # a configuration has some two thousand
MAX_NAME = 64
MAX_NAME_BYTES = 200  # in UTF-8; file systems take 255, with what comes behind it
MAX_SAVED = 1_000


@dataclass(frozen=True)
class Saved:
    """A saved configuration.

    Args:
        path: Its file.
        time: When it was saved, in seconds since 1970.
        config: None where the file is damaged.
        problem: What is wrong with the file, "" if nothing.
    """

    path: Path
    time: float
    config: RunConfig | None
    problem: str = ""

    @property
    def name(self) -> str:
        """What it was saved as."""
        return self.path.stem


def saved_folder() -> Path:
    """Where they are: a hidden folder among the runs, which no list of runs shows."""
    return runs_root() / ".configs"


def checked_name(name: str) -> str:
    """A name for a configuration.

    Args:
        name: As somebody typed it.

    Raises:
        ValueError: If it will not do.
    """
    name = name.strip()
    if len(name) > MAX_NAME or not RUN_ID.fullmatch(name):
        raise ValueError(
            f"name must have at most {MAX_NAME} letters, digits, spaces and _.+=,@- "
            f"and begin with a letter or digit, got {name[: 2 * MAX_NAME]!r}."
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(
            f"name must take at most {MAX_NAME_BYTES} bytes in UTF-8, got "
            f"{len(name.encode())}: choose a shorter one."
        )
    return name


def saved_configs() -> list[Saved]:
    """All saved configurations by name, damaged ones among them."""
    folder = saved_folder()
    if not folder.is_dir():
        return []
    paths = sorted(folder.glob(f"*{SUFFIX}"))[:MAX_SAVED]
    found = (_read(path) for path in paths if RUN_ID.fullmatch(path.stem))
    return [saved for saved in found if saved is not None]


def find_saved(name: str) -> Saved | None:
    """The configuration of a name, None if there is none."""
    with suppress(ValueError):
        return _read(_path(name))
    return None


def save_config(name: str, config: RunConfig, *, overwrite: bool = False) -> Saved:
    """Save a configuration.

    Args:
        name: What it will be called.
        config: What is saved.
        overwrite: Whether one of that name may be replaced.

    Returns:
        What was saved.

    Raises:
        RunError: If there is one of that name, there are `MAX_SAVED`, or the disk says
            no.
        ValueError: If the name will not do.
    """
    path = _path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if overwrite and path.exists():
            write_json(path, config.to_dict())
        else:
            _create(path, config, overwrite=overwrite)
        return Saved(path, path.stat().st_mtime, config)
    except FileExistsError:
        raise RunError(f"There is a configuration {path.stem!r} already.") from None
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from None


def _create(path: Path, config: RunConfig, *, overwrite: bool) -> None:
    """Write a new file, which of two that do so at once only one may."""
    if sum(1 for _ in path.parent.glob(f"*{SUFFIX}")) >= MAX_SAVED:
        raise RunError(
            f"There are {MAX_SAVED:,} saved configurations, as many as are kept: "
            "delete one first."
        )
    path.touch(exist_ok=overwrite)
    try:
        write_json(path, config.to_dict())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def delete_config(name: str) -> None:
    """Delete a configuration.

    Raises:
        RunError: If there is none of that name, or the disk says no.
        ValueError: If the name will not do.
    """
    path = _path(name)
    try:
        path.unlink()
    except OSError as error:
        raise RunError(f"{path} cannot be deleted: {error}") from None


def parsed_config(content: bytes) -> RunConfig:
    """Read a configuration that came from elsewhere.

    Args:
        content: The file's.

    Returns:
        The checked configuration.

    Raises:
        ValueError: If it is too long or no valid configuration.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(
            f"A configuration must have at most {MAX_BYTES:,} bytes, got "
            f"{len(content):,}."
        )
    try:
        return RunConfig.from_dict(json.loads(content.decode()))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"The file is not a configuration: {error}") from None


def _path(name: str) -> Path:
    return saved_folder() / f"{checked_name(name)}{SUFFIX}"


def _read(path: Path) -> Saved | None:
    """Read a file; None if it is gone."""
    try:
        time = path.stat().st_mtime
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Saved(path, 0.0, None, str(error))
    try:
        return Saved(path, time, parsed_config(content))
    except ValueError as error:
        return Saved(path, time, None, str(error))
