"""A finished run in memory: its data, and its network as it was evaluated."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from data.arrays import LoadedDataset
from trainers.batches import num_steps
from trainers.checkpoint import LAST, load_weights
from trainers.config import RunConfig
from trainers.evaluate import resolve_device
from trainers.models import seeded_networks
from trainers.optimizers import Plan, build_optimizer
from trainers.runs import Run, load_config
from trainers.session import load_data
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
    data = load_data(config)
    network = seeded_networks(
        config.model.name, data.input_shape, data.num_classes, device
    )
    plan = Plan(
        num_data=len(data.train),
        seed=config.training.seed,
        num_steps=num_steps(len(data.train), config.training),
        network=network,
    )
    model = network(config.training.seed)
    optimizer = build_optimizer(config.optimizer, model, plan)
    load_weights(run.checkpoint / LAST, model, optimizer)
    return Trained(config, data, model, optimizer)
