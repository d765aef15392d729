"""A run of continual learning, task by task and method by method.

Files in the run's folder beside those of any run:

| file | what |
|---|---|
| `continual.json` | settings, and accuracies by method and task: `record` |
| `checkpoint/METHOD-TASK` | what a method keeps of the tasks it has learned |
| `continual.png`, `continual.html` | the same as pictures, at the end |

A stop gives up the task that is being learned. All randomness follows from the seed and
the task, so a run that goes on ends as one that was never stopped.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.arrays import LoadedDataset
from trainers.continual.learners import LEARNERS
from trainers.continual.pictures import write_pictures
from trainers.continual.record import (
    average_accuracy,
    read_record,
    write_record,
)
from trainers.continual.tasks import TaskStream
from trainers.evaluate import resolve_device
from trainers.reporting import Reporter
from trainers.runs import Run, metric_line, read_metrics, write_atomically
from trainers.stopping import StopSignal

# Kinds of rows in metrics.jsonl. VOGN's epochs are those of any run, so that the page
# of learning curves shows them; the others' would be drawn into the same lines.
EPOCH, OTHER_EPOCH, TASK = "epoch", "continual_epoch", "task"
SHOWN = "vogn"


class ContinualSession:
    """Goes on with a run from where its record ends.

    Args:
        run: The run.
        stream: Its tasks.
        reporter: Takes metrics and progress.
        stop: Asked after every step.
    """

    def __init__(
        self, run: Run, stream: TaskStream, reporter: Reporter, stop: StopSignal
    ) -> None:
        self.run, self.stream = run, stream
        self.reporter, self.stop = reporter, stop
        self.record = replace(read_record(run), num_test=len(stream.test))
        settings = self.record.settings
        self.learners = {
            name: LEARNERS[name](stream, settings) for name in settings.methods
        }
        for name, learner in self.learners.items():
            if done := self.record.courses[name].num_tasks:
                learner.load(self._kept(name, done - 1))
        self._seconds = self._cut_metrics()

    def go_on(self) -> None:
        """Learn what is left; KeyboardInterrupt as soon as a stop is asked for."""
        tasks = range(self.record.settings.tasks)
        todo = [(task, name) for task in tasks for name in self.learners]
        lengths = [self.learners[name].num_steps(task) for task, name in todo]
        begun, total = 0, sum(lengths)
        done = [self._is_done(*each) for each in todo]
        before = sum(n for n, known in zip(lengths, done, strict=True) if known)
        self.reporter.phase("training", total, before)
        for (task, name), length, known in zip(todo, lengths, done, strict=True):
            if not known:
                self._learn(task, name, begun)
            begun += length

    def _is_done(self, task: int, name: str) -> bool:
        return task < self.record.courses[name].num_tasks

    def _learn(self, task: int, name: str, begun: int) -> None:
        """Let a method learn a task.

        Args:
            task: From 0.
            name: Of the method.
            begun: Steps of all that comes before.
        """
        learner = self.learners[name]
        start, length = time.monotonic(), learner.num_steps(task)
        epochs = self.record.settings.epochs
        row: dict[str, Any] = {"method": name, "task": task + 1}

        def on_step() -> None:
            self.reporter.advance()
            if self.stop.requested:
                raise KeyboardInterrupt

        def on_epoch(epoch: int, loss: float, accuracy: float) -> None:
            self._log({
                "kind": EPOCH if name == SHOWN else OTHER_EPOCH,
                "step": begun + length * (epoch + 1) // epochs,
                "epoch": task * epochs + epoch + 1,
                "seconds": round(self._seconds + time.monotonic() - start, 3),
                **row,
                "train_loss": loss,
                "train_accuracy": accuracy,
            })

        learner.learn(task, on_step, on_epoch)
        accuracies = [learner.accuracy(each) for each in range(task + 1)]
        taken = time.monotonic() - start
        self._seconds += taken
        self._log({
            "kind": TASK,
            "step": begun + length,
            "epoch": (task + 1) * epochs,
            "seconds": round(self._seconds, 3),
            **row,
            "average_accuracy": average_accuracy(accuracies),
        })
        self._keep(task, name, accuracies, taken)

    def _log(self, row: dict[str, Any]) -> None:
        self.reporter.log(row)
        if row["kind"] == TASK:
            self.reporter.show({row["method"]: row["average_accuracy"]})

    def _keep(
        self, task: int, name: str, accuracies: list[float], seconds: float
    ) -> None:
        """Put a learned task on record, when what goes on from it is safe."""
        self.run.checkpoint.mkdir(exist_ok=True)
        self.learners[name].save(self._kept(name, task))
        self.record = self.record.and_then(name, accuracies, seconds)
        write_record(self.run, self.record)
        self._kept(name, task - 1).unlink(missing_ok=True)

    def _kept(self, name: str, task: int) -> Path:
        suffix = self.learners[name].suffix
        return self.run.checkpoint / f"{name}-{task + 1}{suffix}"

    def _cut_metrics(self) -> float:
        """Drop the rows of tasks that are not on record; gives the time so far."""
        rows, _ = read_metrics(self.run)
        kept = [row for row in rows if self._is_on_record(row)]
        if len(kept) < len(rows):
            write_atomically(self.run.metrics, "".join(map(metric_line, kept)).encode())
        return sum(sum(each.seconds) for each in self.record.courses.values())

    def _is_on_record(self, row: dict[str, Any]) -> bool:
        course = self.record.courses.get(row.get("method", ""))
        return course is not None and row.get("task", 0) <= course.num_tasks


def learn_in_turn(
    run: Run, data: LoadedDataset, reporter: Reporter, stop: StopSignal
) -> None:
    """Learn all tasks by all methods, from where the run stands.

    Args:
        run: The run; its folder holds a record.
        data: What its record names.
        reporter: Takes metrics and progress.
        stop: Asked after every step.

    Raises:
        KeyboardInterrupt: If a stop was asked for.
    """
    settings = read_record(run).settings
    stream = TaskStream(data, settings, resolve_device(settings.device))
    session = ContinualSession(run, stream, reporter, stop)
    with stop.deferred():
        session.go_on()
    reporter.phase("evaluating", 0)
    if SHOWN in session.learners:
        session.learners[SHOWN].save(run.posterior)
    write_pictures(run, session.record)
