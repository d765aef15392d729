"""The files of a run folder: what each is, and its content for a download.

Only what lies inside the folder leaves it: a link to a place elsewhere is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainers.continual.record import is_continual
from trainers.runs import Run, RunError

MOST_IN_MEMORY = 500 * 10**6  # bytes: Streamlit keeps a download in its memory
MOST_FILES = 200  # of a folder that are listed
BINARY = "application/octet-stream"
_MIME = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".npz": "application/zip",
    ".zip": "application/zip",
    ".log": "text/plain",
    ".html": "text/html",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
}
# What a file is, in the order in which people ask for them.
WHAT = {
    "evaluation.json": "Every number of the evaluation, with intervals and what they "
    "mean; bins and histograms.",
    "predictions.npz": "Probabilities of each test example by posterior sample, with "
    "labels, logits and features; out-of-distribution sets and validation too.",
    "images.npz": "The test images that these pages show, and their rows in "
    "predictions.npz.",
    "shift.npz": "Probabilities on test images that were corrupted, by kind and "
    "severity.",
    "continual.json": "Tasks learned one after another: settings, and accuracy by "
    "method on each task after each.",
    "continual.html": "The same as a page that opens anywhere.",
    "continual.png": "The same as a picture.",
    "embedding.npz": "Where t-SNE puts the examples on the map of the embedding.",
    "posterior.safetensors": "The posterior over the weights, to predict with "
    "elsewhere; no code in it is run.",
    "config.json": "The whole configuration; `python -m trainers run --config` "
    "takes it.",
    "metrics.jsonl": "What was logged, a line a step or an epoch.",
    "status.json": "State, progress, start and end.",
    "annotations.json": "Tags and a note, and whether the run is archived.",
    "supervisor.json": "Which process watched over the run.",
    "stop.request": "Someone asked the run to stop.",
    "checkpoint/last.pt": "The newest checkpoint, from which training goes on: model, "
    "optimizer, schedule, generators.",
    "checkpoint/best.pt": "The checkpoint with the lowest validation NLL.",
    "log/launcher.log": "What the process printed that starts the ranks.",
    "log/supervisor.log": "What the process printed that watches over the run.",
    "log/mirrors.log": "What the mirrors to other trackers printed.",
    "log/failure.json": "Which rank failed first, and how.",
}
# In the folder of logs, of what was computed of a run later, such as its shift.
_ERRANDS = {
    ".json": "What was computed of this run later, when, and how it ended.",
    ".log": "What was printed while it was computed.",
    ".lock": "Held while it is computed.",
    ".stop": "Someone asked to end it.",
}
_FOLDERS = {
    "log": "What one rank printed.",
    "report": "Part of a report on this run.",
    "checkpoint": "Part of a checkpoint.",
}
_OF_TASKS = (
    "How the network of each task is trained by VOGN; the settings of the tasks are in "
    "continual.json."
)
_UNKNOWN = "Not a file of this program."


@dataclass(frozen=True)
class File:
    """One file of a run.

    Args:
        path: Where it is.
        name: Its path within the folder.
        size: In bytes.
    """

    path: Path
    name: str
    size: int

    @property
    def what(self) -> str:
        """What it is, in a sentence."""
        if self.name == "config.json" and is_continual(Run(self.path.parent)):
            return _OF_TASKS
        if self.name in WHAT:
            return WHAT[self.name]
        folder = self.name.split("/")[0]
        if folder == "log" and not self.path.name.startswith("rank"):
            return _ERRANDS.get(self.path.suffix, _UNKNOWN)
        return _FOLDERS.get(folder, _UNKNOWN)

    @property
    def mime(self) -> str:
        """Its type for a browser."""
        return _MIME.get(self.path.suffix, BINARY)


def files_of(run: Run) -> list[File]:
    """The files of a run, known ones first; links to elsewhere are left out."""
    order = {name: place for place, name in enumerate(WHAT)}
    found = [file for _, file in zip(range(MOST_FILES), _files(run), strict=False)]
    return sorted(found, key=lambda file: (order.get(file.name, len(order)), file.name))


def _files(run: Run) -> Iterator[File]:
    for path in sorted(run.path.rglob("*")):
        name = path.relative_to(run.path).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if not hidden and path.is_file() and is_inside(run, path):
            yield File(path, name, path.stat().st_size)


def is_inside(run: Run, path: Path) -> bool:
    """Whether a path leads to a place within the run folder."""
    try:
        return path.resolve(strict=True).is_relative_to(run.path.resolve(strict=True))
    except (OSError, RuntimeError):  # no such file, or links in a circle
        return False


def content(run: Run, path: Path) -> bytes:
    """The bytes of a file of a run.

    Called on the click, so that a page view does not read megabytes for nothing, and
    checked then: a file may have become a link since.

    Raises:
        RunError: If the path leads out of the folder, or there is no such file.
    """
    if not is_inside(run, path) or not path.is_file():
        raise RunError(f"{path.name} must be a file of run {run.id}.")
    return path.resolve(strict=True).read_bytes()


def size_text(size: int) -> str:
    """A size in the largest unit that is not below one, `56300` -> `56.3 kB`."""
    if size < 1000:
        return f"{size} bytes"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.3g} {unit}"
