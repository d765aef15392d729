"""The training loop: steps, logs, checkpoints, stops.

Of a method it knows its `trainers.abilities` and nothing else. Of several ranks each
computes on its share of every batch; rank 0 validates, logs and saves.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from calibration import headline
from trainers.abilities import (
    Finishing,
    OfMembers,
    Sampled,
    Sharded,
    TellsFigures,
    has_posterior,
)
from trainers.batches import DeviceSplit, num_steps
from trainers.checkpoint import BEST, LAST, load_checkpoint, save_checkpoint
from trainers.config import RunConfig
from trainers.group import Group
from trainers.lanes import Lanes, Passes
from trainers.layers import layer_rows
from trainers.predict import (
    BATCH_SIZE,
    DivergedError,
    check_finite,
    predict_samples,
)
from trainers.progress import Progress
from trainers.ranks import rank_seed
from trainers.reporting import Reporter
from trainers.rescaling import rescale
from trainers.runs import Run, truncate_metrics
from trainers.schedules import build_scheduler
from trainers.stopping import StopSignal

CHECKPOINT_INTERVAL = 20.0  # seconds of work that a crash may cost
# A loss this many times the first one is lost, even where it is still finite.
EXPLOSION = 1e4
STEP, EPOCH = "step", "epoch"  # kinds of logged rows


class _StoppedError(Exception):
    """A stop was asked for while an optimizer finished."""


class Trainer:
    """Trains one run from where it stands to its end, or to a stop.

    Args:
        run: The run.
        config: Its configuration.
        model: The network, on its device.
        optimizer: Its optimizer.
        train: The training split.
        validation: The validation split, or None.
        reporter: Takes metrics and progress.
        stop: Asked after every step.
        group: The ranks of the run.
    """

    def __init__(
        self,
        run: Run,
        config: RunConfig,
        model: nn.Module,
        optimizer: Optimizer,
        train: DeviceSplit,
        validation: DeviceSplit | None,
        reporter: Reporter,
        stop: StopSignal,
        group: Group | None = None,
    ) -> None:
        self.run, self.config = run, config
        self.model, self.optimizer = model, optimizer
        self.data, self.validation = train, validation
        self.reporter, self.stop = reporter, stop
        self.group = group or Group()
        self.lanes = Lanes(config.training, model, optimizer, train, self.group)
        self.total_steps = num_steps(len(train), config.training)
        self.steps_per_epoch = self.total_steps // config.training.epochs
        self.scheduler = build_scheduler(config.training, optimizer, self.total_steps)
        self._rescaled: list[Tensor] = []
        if config.training.rescale_weights:
            self._rescaled = self.lanes.rescaled_weights()
        self.progress = Progress()
        self._pending: list[Passes] = []
        self._shown: dict[str, float] = {}

    def restore(self) -> None:
        """Go back to the last checkpoint, if there is one."""
        path = self.run.checkpoint / LAST
        if self.group.told(path.exists()):
            saved = load_checkpoint(
                path, self.model, self.optimizer, self.scheduler, self.lanes
            )
            self.progress = Progress(**saved)
        if self.group.is_main:
            truncate_metrics(self.run, self.progress.step, self.progress.epoch)
        else:  # a checkpoint keeps the generators of rank 0
            seed, ranks = self.config.training.seed, self.group.ranks
            torch.manual_seed(rank_seed(seed, ranks, self.progress.step))

    def fit(self) -> bool:
        """Train.

        Returns:
            Whether the end was reached; False after a stop. Either way a checkpoint
            holds the state.
        """
        self.reporter.phase("training", self.total_steps, self.progress.step)
        self.lanes.train()
        self._clock = self._saved = time.monotonic()
        finished = True
        while finished and self.progress.epoch < self.config.training.epochs:
            finished = self._epoch()
        self._count_time(training=True)
        if finished and isinstance(self.optimizer, Finishing):
            self.save(LAST)  # what was learnt, before what may fail
            finished = self.group.from_main(self._finish)
        self.save(LAST)
        self.group.wait()  # none leaves before the checkpoint is whole
        return finished

    def _finish(self) -> bool:
        """Let the optimizer complete its posterior; on rank 0, which evaluates.

        Returns:
            Whether it did; False after a stop, which leaves it as it was.
        """
        assert isinstance(self.optimizer, Finishing)
        self.reporter.phase("finishing", -(-len(self.data) // BATCH_SIZE))
        try:
            self.optimizer.finish(self._batches)
        except _StoppedError:
            return False
        return True

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All training data in order, until a stop is asked for."""
        for batch in self.data.labelled(BATCH_SIZE):
            if self.stop.requested:
                raise _StoppedError
            yield batch
            self.reporter.advance()

    def _epoch(self) -> bool:
        for batches in self.lanes.epoch(self.progress.epoch)[self.progress.batch :]:
            self._step(batches)
            stopped, due = self.group.any(bool(self.stop.requested), self._is_due())
            if stopped or due:
                self._collect()
            if stopped:
                return False
            if due:
                self.save(LAST)
        self._end_epoch()
        (stopped,) = self.group.any(bool(self.stop.requested))
        return not stopped

    def _is_due(self) -> bool:
        """Whether a checkpoint is due, by the clock of the rank that writes it."""
        late = time.monotonic() - self._saved > CHECKPOINT_INTERVAL
        return self.group.is_main and late

    def _step(self, batches: Sequence[Tensor]) -> None:
        self._pending.append(self.lanes.passes(batches, self.progress.step))
        self.optimizer.step()
        rescale(self._rescaled)
        self.scheduler.step()
        self.progress.step += 1
        self.progress.batch += 1
        self.reporter.advance()
        if self.progress.step % self.config.training.log_interval == 0:
            self._log_step()

    def _collect(self) -> None:
        """Fetch what steps left on the device, and add it up."""
        if not self._pending:
            return
        counts = [each.total for each in self._pending]
        losses, corrects = self.group.totals(
            torch.stack([each.loss for each in self._pending]),
            torch.stack([each.correct for each in self._pending]),
            [each.share for each in self._pending],
            counts,
        )
        self._pending.clear()
        self._check_losses(losses)
        progress = self.progress
        # One by one, so that the sums do not depend on how often they are fetched.
        for loss, correct, count in zip(losses, corrects, counts, strict=True):
            progress.loss_sum += loss * count
            progress.interval_loss += loss * count
            progress.num_correct += correct
            progress.num_examples += count
            progress.interval_examples += count

    def _check_losses(self, losses: list[float]) -> None:
        if self.progress.first_loss is None:
            self.progress.first_loss = losses[0]
        limit = EXPLOSION * max(1.0, self.progress.first_loss)
        for index, loss in enumerate(losses):
            if not (math.isfinite(loss) and loss <= limit):
                step = self.progress.step - len(losses) + 1 + index
                raise DivergedError(
                    f"The training loss diverged: it was {loss:g} at step {step}."
                )

    def _log_step(self) -> None:
        self._collect()
        self._count_time(training=True)
        progress = self.progress
        loss = progress.interval_loss / progress.interval_examples
        rate = float(self.scheduler.get_last_lr()[0])
        values = {"train_loss": loss, "lr": rate}
        if progress.interval_seconds > 0:
            speed = progress.interval_examples / progress.interval_seconds
            values["examples_per_second"] = speed
        self._log(STEP, progress.step / self.steps_per_epoch, values)
        progress.interval_loss, progress.interval_examples = 0.0, 0
        progress.interval_seconds = 0.0
        self._shown["loss"] = loss
        self._shown["accuracy"] = progress.num_correct / progress.num_examples
        self.reporter.show(self._shown)

    def _log(self, kind: str, epoch: float, values: dict[str, float]) -> None:
        if not self.group.is_main:
            return
        row: dict[str, Any] = {"kind": kind, "step": self.progress.step, "epoch": epoch}
        row["seconds"] = round(self.progress.seconds, 3)
        if isinstance(self.optimizer, Sampled):
            values["posterior_deviation"] = float(self.optimizer.mean_deviation())
        if kind == STEP and isinstance(self.optimizer, TellsFigures):
            values |= self.optimizer.figures()
        if kind == EPOCH and has_posterior(self.optimizer):
            with suppress(ValueError):  # weights that are no numbers: see `evaluate`
                row["posterior"] = layer_rows(self.optimizer.posterior())
        self.reporter.log({**row, **values})

    def _end_epoch(self) -> None:
        self._collect()
        progress = self.progress
        self._count_time(training=True)
        progress.epoch, progress.batch = progress.epoch + 1, 0
        values = {
            "train_loss": progress.loss_sum / progress.num_examples,
            "train_accuracy": progress.num_correct / progress.num_examples,
            "lr": float(self.scheduler.get_last_lr()[0]),
        }
        if progress.epoch_seconds > 0:
            speed = progress.num_examples / progress.epoch_seconds
            values["examples_per_second"] = speed
        progress.epoch_seconds = 0.0
        progress.loss_sum, progress.num_correct, progress.num_examples = 0.0, 0, 0
        if isinstance(self.optimizer, OfMembers):
            self.optimizer.consolidate_state_dict()  # rank 0 judges all of them
        values |= self.group.from_main(self._validate)
        self._keep_best(values)
        self._log(EPOCH, progress.epoch, values)
        self._count_time()

    def _validate(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        num_samples = self.config.evaluation.validation_samples
        (probabilities,) = predict_samples(
            self.model, self.optimizer, [self.validation], num_samples
        )
        check_finite(probabilities, self.progress.step)
        labels = self.validation.labels.cpu().numpy()
        # Plain floats: checkpoints and other ranks know nothing of intervals.
        found = headline(probabilities, labels)
        values = {
            f"validation_{name}": float(found[name])
            for name in ("nll", "accuracy", "ece")
        }
        self._shown["validation"] = values["validation_accuracy"]
        return values

    def _keep_best(self, values: dict[str, float]) -> None:
        """Save the best so far; told of the same values, all ranks decide alike."""
        nll, best = values.get("validation_nll"), self.progress.best_nll
        if nll is not None and (best is None or nll < best):
            self.progress.best_nll = nll
            self.save(BEST)

    def _count_time(self, training: bool = False) -> None:
        """Add the time since the last call to the total; training also to its own."""
        now = time.monotonic()
        elapsed, self._clock = now - self._clock, now
        self.progress.seconds += elapsed
        if training:
            self.progress.interval_seconds += elapsed
            self.progress.epoch_seconds += elapsed

    def save(self, name: str) -> None:
        """Write a checkpoint, on rank 0; all ranks call it."""
        if isinstance(self.optimizer, Sharded):
            self.optimizer.consolidate_state_dict()
        if not self.group.is_main:
            return
        save_checkpoint(
            self.run, name, self.model, self.optimizer, self.scheduler,
            self.lanes, asdict(self.progress),
        )  # fmt: skip
        if name == LAST:
            self._saved = time.monotonic()
