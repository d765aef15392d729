"""A finished run in memory: its data, and its network as it was evaluated."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from data.arrays import LoadedDataset
from data.loaders import load_dataset
from trainers.checkpoint import LAST, SCHEMA, UNREADABLE
from trainers.config import RunConfig
from trainers.evaluate import resolve_device
from trainers.models import build_model
from trainers.optimizers import build_optimizer
from trainers.runs import Run, RunError, load_config
from trainers.status import check_finished


@dataclass(frozen=True, eq=False)
class Trained:
    """What a finished run leaves to predict with.

    Args:
        config: Its configuration.
        data: Its dataset, divided as it was.
        model: Its network with the weights of the end of training.
        optimizer: Its optimizer, which knows the posterior if there is one.
    """

    config: RunConfig
    data: LoadedDataset
    model: nn.Module
    optimizer: Optimizer

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device


def load_trained(run: Run) -> Trained:
    """Load a finished run; its folder is left as it is.

    Args:
        run: The run.

    Returns:
        The run in memory, on the device of its configuration.

    Raises:
        DatasetError: If the data cannot be had any more.
        RunError: If the run is not finished, or its files are damaged.
        ValueError: If this machine lacks the device.
    """
    check_finished(run)
    config = load_config(run)
    device = resolve_device(config.training.device)
    data = load_dataset(
        config.dataset.name,
        folder=config.dataset.folder,
        validation_fraction=config.dataset.validation_fraction,
        seed=config.dataset.split_seed,
    )
    model = build_model(config.model.name, data.input_shape, data.num_classes)
    model = model.to(device)
    optimizer = build_optimizer(
        config.optimizer, model, len(data.train), config.training.seed
    )
    _load_weights(run, model, optimizer)
    return Trained(config, data, model, optimizer)


def _load_weights(run: Run, model: nn.Module, optimizer: Optimizer) -> None:
    """Restore what predicts; the generators of training are left alone."""
    path = run.checkpoint / LAST
    device = next(model.parameters()).device
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        found = content["schema"]
        if found == SCHEMA:
            model.load_state_dict(content["model"])
            optimizer.load_state_dict(content["optimizer"])
    except UNREADABLE as error:
        raise RunError(f"{path} cannot be restored: {error}") from error
    if found != SCHEMA:
        raise RunError(f"{path} has schema {found!r}, not {SCHEMA}.")
