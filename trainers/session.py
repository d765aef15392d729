"""One run in this process, from its folder to its final status.

Of several ranks the first does `train_run` and the others `follow_run`; they leave when
the training is done, and the first evaluates alone.
"""

import errno
import logging
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from data import DatasetError, dataset_spec
from data.arrays import LoadedDataset, Split
from data.loaders import choose_ood, load_dataset, load_ood
from trainers.batches import DeviceSplit, num_steps
from trainers.checkpoint import LAST
from trainers.config import OOD_AUTO, OOD_NONE, RunConfig
from trainers.continual.record import is_continual
from trainers.evaluate import evaluate_run, resolve_device
from trainers.group import DistributedError, Group, joined
from trainers.models import build_model, seeded_networks
from trainers.optimizers import Plan, build_optimizer
from trainers.predict import DivergedError
from trainers.ranks import Ranks, launcher_is_gone
from trainers.reporting import Reporter, SilentReporter
from trainers.runs import Run, RunError, load_config
from trainers.status import (
    FAILED,
    FINISHED,
    LOST,
    ON_REQUEST,
    RUNNING,
    STOPPED,
    Status,
    begin_status,
    end_status,
)
from trainers.stopping import StopSignal
from trainers.trainer import Trainer

logger = logging.getLogger(__name__)
TAIL_LINES = 20
ABANDONED = "The process that started this run was killed; it can be resumed."
FULL = (errno.ENOSPC, errno.EDQUOT)


def train_run(run: Run, show_bar: bool = True, ranks: Ranks | None = None) -> Status:
    """Train and evaluate a run, from its last checkpoint if it has one.

    Whatever happens, the status file tells how it ended.

    Args:
        run: The run; its folder holds a configuration.
        show_bar: Whether to draw a progress bar.
        ranks: The place of this process, the main one, if there are others.

    Returns:
        The final status.
    """
    status = begin_status(run)
    with StopSignal() as stop, Reporter(run, status, show_bar) as reporter:
        try:
            if is_continual(run):
                _learn_in_turn(run, reporter, stop, ranks)
            else:
                _train_and_evaluate(run, load_config(run), reporter, stop, ranks)
            return end_status(run, reporter.status, FINISHED, message="Finished.")
        except KeyboardInterrupt:
            stop.settle()
            if launcher_is_gone():  # the ranks leave in order, but nobody asked them
                return end_status(run, reporter.status, LOST, message=ABANDONED)
            return end_status(run, reporter.status, STOPPED, message=ON_REQUEST)
        except Exception as error:
            stop.settle()
            return _fail(run, reporter.status, error)


def _learn_in_turn(
    run: Run, reporter: Reporter, stop: StopSignal, ranks: Ranks | None
) -> None:
    """Learn tasks one after another, in one process."""
    from trainers.continual.session import learn_in_turn

    if ranks is not None and ranks.size > 1:
        raise ValueError(f"tasks must be learned by one process, got {ranks.size}.")
    reporter.phase("loading", 0)
    learn_in_turn(run, load_data(load_config(run)), reporter, stop)


def follow_run(ranks: Ranks) -> str:
    """Take part in the run that rank 0 trains, and write nothing.

    Args:
        ranks: The place of this process.

    Returns:
        How it ended: `FINISHED` when the training is done, `STOPPED` or `FAILED`.
    """
    with StopSignal() as stop:
        try:
            with joined(ranks) as group:
                _take_part(group, stop)
        except KeyboardInterrupt:
            return STOPPED
        except Exception as error:
            _, expected = classify(error)
            logger.error("%s", error, exc_info=None if expected else error)
            return FAILED
    return FINISHED


def _take_part(group: Group, stop: StopSignal) -> None:
    path, content = group.told(None)
    run, config = Run(Path(path)), RunConfig.from_dict(content)
    reporter = SilentReporter(run, Status(state=RUNNING, created=time.time()))
    device = resolve_device(config.training.device, group.ranks)
    _fit(run, config, load_data(config), device, reporter, stop, group)


def _train_and_evaluate(
    run: Run,
    config: RunConfig,
    reporter: Reporter,
    stop: StopSignal,
    ranks: Ranks | None,
) -> None:
    reporter.phase("loading", 0)
    with joined(ranks or Ranks()) as group:
        group.told((str(run.path), config.to_dict()))
        if group.workers:
            reporter.note_workers(group.workers)
        device = resolve_device(config.training.device, group.ranks)
        data = load_data(config)
        ood = load_ood_sets(config, data)
        model, optimizer = _fit(run, config, data, device, reporter, stop, group)
    evaluate_run(run, config, data, ood, model, optimizer, reporter)


def load_data(config: RunConfig) -> LoadedDataset:
    """The dataset of a configuration, divided as it says."""
    dataset = config.dataset
    return load_dataset(
        dataset.name,
        folder=dataset.folder,
        validation_fraction=dataset.validation_fraction,
        seed=dataset.split_seed,
    )


def _fit(
    run: Run,
    config: RunConfig,
    data: LoadedDataset,
    device: torch.device,
    reporter: Reporter,
    stop: StopSignal,
    group: Group,
) -> tuple[nn.Module, Optimizer]:
    """Build everything alike on all ranks, and train from the last checkpoint."""
    if group.ranks.size > 1 and device.type == "cuda":
        torch.cuda.set_device(device)
    torch.manual_seed(config.training.seed)
    name, shapes = config.model.name, (data.input_shape, data.num_classes)
    begin = partial(_begin, run, config, data.input_shape, group)
    model = build_model(name, *shapes)
    begin(model)
    model = model.to(device)
    plan = Plan(
        num_data=len(data.train),
        seed=config.training.seed,
        num_steps=num_steps(len(data.train), config.training),
        network=seeded_networks(name, *shapes, device, begin),
    )
    optimizer = build_optimizer(config.optimizer, model, plan)
    train = DeviceSplit.of(data.train, data.normalisation, device)
    validation = None
    if len(data.validation):
        validation = DeviceSplit.of(data.validation, data.normalisation, device)
    trainer = Trainer(
        run, config, model, optimizer, train, validation, reporter, stop, group
    )
    trainer.restore()
    with stop.deferred():
        finished = trainer.fit()
    if not finished:  # it was another rank that was asked
        raise KeyboardInterrupt
    return model, optimizer


def _begin(
    run: Run,
    config: RunConfig,
    input_shape: tuple[int, ...],
    group: Group,
    model: nn.Module,
) -> None:
    """Give a fresh network the weights that it begins with, if it has no checkpoint."""
    if config.model.begins_trained and not group.told(_has_checkpoint(run)):
        from trainers.timm_weights import begin_trained  # timm takes seconds

        begin = partial(begin_trained, config.model, model, input_shape)
        model.load_state_dict(group.from_main(begin))  # one rank reads or downloads


def _has_checkpoint(run: Run) -> bool:
    return (run.checkpoint / LAST).exists()


def load_ood_sets(config: RunConfig, data: LoadedDataset) -> dict[str, Split]:
    """The out-of-distribution set of a configuration, by name.

    A set that was chosen automatically and cannot be had is left out with a warning;
    one that was asked for by name must be there.

    Args:
        config: Its `evaluation.ood` decides.
        data: The dataset that is trained on.

    Returns:
        At most one set, in the shape of the data.

    Raises:
        DatasetError: If the set asked for cannot be loaded.
    """
    name: str | None = config.evaluation.ood
    automatic = name == OOD_AUTO
    if automatic:
        name = choose_ood(dataset_spec(config.dataset.name))
    if name is None or name == OOD_NONE:
        return {}
    try:
        return {name: load_ood(name, data)}
    except DatasetError as error:
        if not automatic:
            raise
        logger.warning("No out-of-distribution set: %s", error)
        return {}


def _fail(run: Run, status: Status, error: Exception) -> Status:
    kind, expected = classify(error)
    text = "".join(traceback.format_exception(error))
    tail = "\n".join(text.splitlines()[-TAIL_LINES:])
    message = str(error) if expected else ""
    message = message or f"{type(error).__name__}: {error}"
    if expected:
        logger.error("%s", message)
    else:
        logger.error("%s", text)
    return end_status(
        run, status, FAILED, error_class=kind, message=message, error_tail=tail
    )


def classify(error: Exception) -> tuple[str, bool]:
    """Failure class of an error, and whether its message alone tells enough.

    Args:
        error: What ended the run.

    Returns:
        A key of `trainers.status.SUGGESTIONS`, and False if a traceback is wanted.
    """
    classes: list[tuple[Any, str]] = [
        ((MemoryError, torch.OutOfMemoryError), "out of memory"),
        (DivergedError, "diverged"),
        (DistributedError, "distributed"),
        (DatasetError, "data"),
        ((ValueError, RunError), "configuration"),
    ]
    for types, kind in classes:
        if isinstance(error, types):
            return kind, True
    if isinstance(error, OSError) and error.errno in FULL:
        return "disk", True
    if isinstance(error, RuntimeError) and "can't allocate memory" in str(error):
        return "out of memory", True
    return "other", False
