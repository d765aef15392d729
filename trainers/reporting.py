"""What a running run tells the world: metric lines, status, a progress bar."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from tqdm import tqdm

from trainers.runs import Run, metric_line
from trainers.status import Process, Status, write_status

STATUS_INTERVAL = 0.5  # seconds between two writes of the status


class Reporter:
    """Writes metrics, keeps the status fresh and draws the bar.

    Args:
        run: The run.
        status: Its status at the start.
        show_bar: Whether to draw a progress bar on stderr.
    """

    def __init__(self, run: Run, status: Status, show_bar: bool = True) -> None:
        self.status = status
        self._run = run
        self._show_bar = show_bar
        self._written = 0.0
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_bar()

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        # Opened anew each time: a resumed run replaces the file when it cuts its tail.
        with self._run.metrics.open("a", encoding="utf-8") as file:
            file.write(metric_line(row))

    def phase(self, name: str, total: int, done: int = 0) -> None:
        """Begin a phase: "loading", "training", "finishing" or "evaluating".

        Args:
            name: The phase.
            total: Its length, in steps or batches; 0 for no bar.
            done: How much of it is done already.
        """
        self._close_bar()
        training = name == "training"
        steps: dict[str, Any] = {"step": done, "total_steps": total} if training else {}
        self.status = replace(self.status, phase=name, **steps)
        self._write()
        if self._show_bar and total:
            # A log file gets a line now and then, a terminal a moving bar.
            interval = 0.2 if sys.stderr.isatty() else 5.0
            self._bar = tqdm(
                desc=name, total=total, initial=done, file=sys.stderr, unit="step",
                mininterval=interval, dynamic_ncols=True, leave=training,
            )  # fmt: skip

    def note_workers(self, workers: tuple[Process, ...]) -> None:
        """Note the other ranks in the status."""
        self.status = replace(self.status, workers=workers)
        self._write()

    def advance(self) -> None:
        """One step or batch is done."""
        if self._bar is not None:
            self._bar.update()
        if self.status.phase == "training":
            self.status = replace(self.status, step=self.status.step + 1)
        if time.monotonic() - self._written > STATUS_INTERVAL:
            self._write()

    def show(self, values: Mapping[str, float]) -> None:
        """Show numbers beside the bar."""
        if self._bar is not None:
            text = {name: f"{value:.4f}" for name, value in values.items()}
            self._bar.set_postfix(text, refresh=False)

    def _write(self) -> None:
        self.status = write_status(self._run, self.status)
        self._written = time.monotonic()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class SilentReporter(Reporter):
    """The reporter of a rank that leaves telling to rank 0.

    Args:
        run: The run.
        status: Its status at the start, which goes nowhere.
    """

    def __init__(self, run: Run, status: Status) -> None:
        super().__init__(run, status, show_bar=False)

    def log(self, row: Mapping[str, Any]) -> None:
        """Write nothing."""

    def _write(self) -> None:
        self._written = time.monotonic()
