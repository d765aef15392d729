"""A run is a folder: where its files are, and how they are read and written.

Writers replace files atomically (metrics are appended and flushed), so a reader never
sees half a file. Torch-free.
"""

import json
import math
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from trainers.config import RunConfig

# Names that need no quoting on a page or in an address, in the letters of any language.
RUN_ID = re.compile(r"[^\W_][\w .+=,@-]{0,127}(?<! )")


class RunError(RuntimeError):
    """A run folder that is missing, damaged or in the wrong state."""


def runs_root() -> Path:
    """The folder of all runs: `$VOGN_RUNS`, else `runs/` where we were started."""
    return whole_path(Path(os.environ.get("VOGN_RUNS") or "runs"))


def whole_path(path: Path) -> Path:
    """The absolute path without links: the job store knows a run by one spelling."""
    return path.resolve()


def is_there(path: Path) -> bool:
    """Whether a file or folder can be seen.

    Not if its folder is closed to us or its disk fails, for which `Path.exists` raises:
    one such run must not keep others from being seen.
    """
    return os.path.exists(path)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes the place of another in one step, at the block's end.

    A reader sees the old or the new one; after an exception there is only the old.

    Args:
        path: The file.

    Yields:
        Where to write.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content in one step; a reader sees the old or the new one."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; NaN and infinities are refused, as JSON has none."""
    text = json.dumps(content, indent=1, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def read_json(path: Path) -> Any:
    """Read one JSON file of a run.

    Raises:
        RunError: If the file is missing or damaged; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} does not exist.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None


@dataclass(frozen=True)
class Run:
    """The paths of one run, each put together once: a list looks at thousands."""

    path: Path

    @cached_property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @cached_property
    def config(self) -> Path:
        """The whole configuration, written once by the launcher."""
        return self.path / "config.json"

    @cached_property
    def status(self) -> Path:
        """State, processes, progress; see `trainers.status`."""
        return self.path / "status.json"

    @cached_property
    def supervision(self) -> Path:
        """Who watches the run; see `trainers.status`."""
        return self.path / "supervisor.json"

    @cached_property
    def stop_request(self) -> Path:
        """Exists once someone asked the run to stop."""
        return self.path / "stop.request"

    @cached_property
    def metrics(self) -> Path:
        """One JSON line a logged step or epoch."""
        return self.path / "metrics.jsonl"

    @cached_property
    def checkpoint(self) -> Path:
        """Folder of the last and the best checkpoint."""
        return self.path / "checkpoint"

    @cached_property
    def predictions(self) -> Path:
        """Probabilities, logits and features; see `trainers.predictions`."""
        return self.path / "predictions.npz"

    @cached_property
    def shift(self) -> Path:
        """Probabilities on corrupted test images; see `trainers.shift`."""
        return self.path / "shift.npz"

    @cached_property
    def posterior(self) -> Path:
        """Mean and precision of the weights, to predict with elsewhere."""
        return self.path / "posterior.safetensors"

    @cached_property
    def images(self) -> Path:
        """The images that pages and reports show; see `trainers.pictures`."""
        return self.path / "images.npz"

    @cached_property
    def evaluation(self) -> Path:
        """Every metric, bin and curve point."""
        return self.path / "evaluation.json"

    @cached_property
    def annotations(self) -> Path:
        """What people say of the run; see `trainers.annotations`."""
        return self.path / "annotations.json"

    @cached_property
    def log(self) -> Path:
        """What the training process printed; of several ranks, rank 0."""
        return self.log_of(0)

    def log_of(self, rank: int) -> Path:
        """What one rank printed."""
        return self.path / "log" / f"rank{rank}.log"


def new_run(config: RunConfig, code_version: str, path: Path | None = None) -> Run:
    """Create a run folder that holds its configuration.

    Args:
        config: What will be run.
        code_version: Version of the code, noted beside the configuration.
        path: The folder; by default a sortable unique name under `runs_root()`.

    Returns:
        The new run.

    Raises:
        RunError: If the folder exists and is not empty, or cannot be made.
    """
    (path,) = [whole_path(path)] if path else new_paths()
    check_free(path)
    run = Run(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_json(run.config, {**config.to_dict(), "code_version": code_version})
    except OSError as error:
        raise RunError(f"run folder {path} cannot be made: {error}") from None
    return run


def new_paths(count: int = 1) -> list[Path]:
    """Sortable unique folders for new runs under `runs_root()`, in their order."""
    stamp, root = time.strftime("%Y%m%d-%H%M%S"), runs_root()
    tokens: set[str] = set()
    while len(tokens) < count:
        tokens.add(secrets.token_hex(3))
    return [root / f"{stamp}-{token}" for token in sorted(tokens)]


def check_free(path: Path) -> None:
    """Refuse a run folder that is in use, or that no list of runs would show.

    Raises:
        RunError: If there is something that is not an empty folder, or the name will
            not do.
    """
    if not RUN_ID.fullmatch(path.name):
        raise RunError(
            "run folder must have a name of at most 128 letters, digits, spaces and "
            f"_.+=,@- that begins with a letter or digit, got {path.name!r}."
        )
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError(f"run folder must be new or empty, got {path}.")
    except OSError as error:
        raise RunError(f"run folder {path} cannot be made: {error}") from None


def find_run(name: str, root: Path | None = None) -> Run:
    """Find a run by id, or by the path of its folder.

    Args:
        name: Run id, or a path.
        root: Folder of runs for ids; by default `runs_root()`.

    Returns:
        The run.

    Raises:
        RunError: If there is no such run.
    """
    root = root or runs_root()
    candidates = [Path(name)] if os.sep in name or name == "." else []
    if RUN_ID.fullmatch(name):
        candidates.append(root / name)
    for path in candidates:
        with suppress(OSError):  # such as a name that is too long
            if _is_run(Run(path)):
                return Run(whole_path(path))
    raise RunError(f"There is no run {name!r} in {root}.")


def find_here(name: str) -> Run:
    """The run in the folder of that name here, else the run of that id.

    Raises:
        RunError: If there is none.
    """
    here = Path(name).absolute()
    return find_run(str(here) if name and os.path.isdir(here) else name)


def list_runs(root: Path | None = None) -> list[Run]:
    """All run folders, newest id first; other files and folders are passed over."""
    root = root or runs_root()
    if not root.is_dir():
        return []
    names = sorted(filter(RUN_ID.fullmatch, os.listdir(root)), reverse=True)
    return [run for name in names if _is_run(run := _run(root, name))]


@lru_cache(maxsize=20_000)
def _run(root: Path, name: str) -> Run:
    return Run(root / name)


def _is_run(run: Run) -> bool:
    return is_there(run.config) or is_there(run.status)


def load_config(run: Run) -> RunConfig:
    """Read a run's configuration.

    Raises:
        RunError: If the file is missing, damaged or not a valid configuration.
    """
    try:
        return RunConfig.from_dict(read_json(run.config))
    except (ValueError, TypeError) as error:
        raise RunError(f"{run.config} is not a configuration: {error}") from None


def read_metrics(run: Run, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Read the metric lines that were added since `offset`.

    Args:
        run: The run.
        offset: Byte position that an earlier call returned.

    Returns:
        The new rows, and the position to go on from. A half-written or damaged line
        is never returned; a half-written one is read by a later call.
    """
    try:
        with run.metrics.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except OSError:
        return [], offset
    end = content.rfind(b"\n") + 1
    return list(_rows(content[:end])), offset + end


def _rows(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        with suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                yield row


def truncate_metrics(run: Run, step: int, epoch: float = math.inf) -> None:
    """Drop the rows that a resumed run is going to write again.

    Args:
        run: The run.
        step: The last step that is kept.
        epoch: The last epoch whose closing row is kept.
    """
    if not run.metrics.exists():
        return

    def is_kept(row: dict[str, Any]) -> bool:
        values: list[tuple[Any, float]] = [(row.get("step"), step)]
        if row.get("kind") == "epoch":
            values.append((row.get("epoch"), epoch))
        return all(isinstance(v, int | float) and v <= limit for v, limit in values)

    rows, _ = read_metrics(run)
    text = "".join(metric_line(row) for row in rows if is_kept(row))
    write_atomically(run.metrics, text.encode())


def metric_line(row: Mapping[str, Any]) -> str:
    """One line of metrics.jsonl; values that are not finite become null."""
    return json.dumps({key: _finite(value) for key, value in row.items()}) + "\n"


def _finite(value: Any) -> Any:
    infinite = isinstance(value, float) and value - value != 0.0
    return None if infinite else value


def lies_within(path: Path, folder: Path) -> bool:
    """Whether a path is in a folder, links followed: none leads out of it."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def log_tail(log: Path, num_bytes: int = 4000, within: Path | None = None) -> str:
    """The end of a log file.

    Args:
        log: The file.
        num_bytes: How much of it at most.
        within: A folder that it must really be in: a run folder may be somebody else's,
            and a link in it lead anywhere.

    Returns:
        The text; "" when there is none.
    """
    if within is not None and not lies_within(log, within):
        return ""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - num_bytes))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    # A progress bar rewrites its line with carriage returns: keep the last state.
    lines = (line.rstrip("\r") for line in text.rstrip("\n").split("\n"))
    return "\n".join(line.rsplit("\r", 1)[-1] for line in lines)
