"""Measure what a run will cost: a few real steps on random inputs, on its device.

Bounded in time, and a batch that does not fit is told. What depends on the data alone
(their loading, the early end of a training) is not in it, nor what a method does once
when all steps are done (`trainers.uncounted`); of several processes one is measured,
without the messages between them.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, count

import numpy as np
import psutil
import torch
from torch import nn
from torch.optim import Optimizer

from data.arrays import Normalisation, Split
from trainers.abilities import Collecting, OfMembers, has_posterior
from trainers.batches import DeviceSplit, num_steps
from trainers.config import RunConfig
from trainers.costs import Cost
from trainers.evaluate import resolve_device
from trainers.group import Group
from trainers.jobs.devices import cores
from trainers.lanes import Lanes
from trainers.memory import free_memory, is_lack_of_memory, peak_memory
from trainers.models import build_model, seeded_networks
from trainers.optimizers import Plan, build_optimizer
from trainers.predict import BATCH_SIZE, draws_of, predict
from trainers.rehearsal import rehearsed
from trainers.rescaling import rescale
from trainers.sizes import Sizes, data_sizes
from trainers.timing import REPEATS, median_seconds, span, timed_steps

SECONDS = 10.0  # of measured steps
PERIODS = ("factor_interval", "inverse_interval", "curvature_interval")
LONGEST_PERIOD = 100
FEW = 8  # examples of which curvature is measured, whose size does not depend on them


def measure(config: RunConfig, seconds: float = SECONDS) -> Cost:
    """Measure a configuration in this process, which should do nothing else.

    Args:
        config: The configuration; its weights are not read.
        seconds: For how long steps are measured, at most `timing.MAX_STEPS`.

    Returns:
        The cost; with a problem where a batch does not fit.

    Raises:
        DatasetError: If a folder of images is not as it should be.
        ValueError: If the network cannot take the data, or there is no such device.
    """
    sizes = data_sizes(config)
    device = resolve_device(_device_name(config))
    cost = Cost(
        device=describe(device),
        available=free_memory(device) + _own_memory(device),
        load=busy(),
        sizes=sizes,
        start=time.time() - psutil.Process().create_time(),
    )
    try:
        with peak_memory(device) as peak:
            cost = _measured(cost, config, device, seconds)
    except Exception as error:
        if not is_lack_of_memory(error):
            raise
        problem = (
            f"A batch of {config.training.batch_size} does not fit into the memory of "
            f"{cost.device}: {cost.available / 1e9:.1f} GB are free."
        )
        return replace(cost, problem=problem)
    # On GPUs each process has its own, on the CPU all share one memory.
    processes = 1 if device.type == "cuda" else config.training.num_processes
    return replace(cost, memory=processes * (peak[0] + sizes.num_bytes))


def _own_memory(device: torch.device) -> int:
    """Bytes that this process has already, and that a peak will count in."""
    return 0 if device.type == "cuda" else int(psutil.Process().memory_info().rss)


def is_on_cpu(config: RunConfig) -> bool:
    """Whether a run is trained on the CPU here."""
    name = config.training.device
    return name == "cpu" or (name == "auto" and not torch.cuda.is_available())


def _device_name(config: RunConfig) -> str:
    """The device of one process of the run."""
    name = config.training.device
    return "cuda:0" if name == "cuda" else name


def _measured(
    cost: Cost, config: RunConfig, device: torch.device, seconds: float
) -> Cost:
    """The cost with what steps and predictions take."""
    training, sizes = config.training, cost.sizes
    torch.manual_seed(training.seed)
    began = time.monotonic()
    shapes = (sizes.input_shape, sizes.num_classes)
    model = build_model(config.model.name, *shapes)
    model = model.to(device)
    plan = Plan(
        num_data=sizes.train,
        seed=training.seed,
        num_steps=num_steps(sizes.train, training),
        network=seeded_networks(config.model.name, *shapes, device),
    )
    optimizer = build_optimizer(config.optimizer, model, plan)
    start = cost.start + time.monotonic() - began
    split = random_split(sizes, _num_rows(config, optimizer, sizes), device)
    times, measured = timed_steps(
        _stepper(config, model, optimizer, split), device, seconds, period(config)
    )
    if isinstance(optimizer, Collecting) and not optimizer.has_posterior:
        del optimizer  # its memory is for the one that follows
        optimizer = rehearsed(
            config.optimizer, model, plan,
            lambda each: _stepper(config, model, each, split)(0),
            lambda: split.labelled(FEW),
        )  # fmt: skip
    per_example, per_draw = _prediction(model, optimizer, sizes, device)
    return replace(
        cost,
        parameters=sum(each.numel() for each in model.parameters()),
        batch_size=len(split),
        step=span(times),
        num_steps=measured,
        predict=per_example,
        draw=per_draw,
        start=start,
    )


def _num_rows(config: RunConfig, optimizer: Optimizer, sizes: Sizes) -> int:
    """Examples a step of one process."""
    batch = min(config.training.batch_size, sizes.train)
    if not isinstance(optimizer, OfMembers):  # whose batches are not shared out
        batch = -(-batch // config.training.num_processes)
    return max(2, batch)  # BatchNorm has no statistics of a single example


def random_split(sizes: Sizes, rows: int, device: torch.device) -> DeviceSplit:
    """Random inputs of the data's shape, with every class as far as rows go."""
    generator = np.random.default_rng(0)
    shape = (rows, *sizes.input_shape)
    if len(sizes.input_shape) == 3:
        inputs = generator.integers(0, 256, shape, dtype=np.uint8)
    else:
        inputs = generator.normal(size=shape).astype(np.float32)
    labels = np.arange(rows, dtype=np.int64)[::-1] % sizes.num_classes
    labels[0] = sizes.num_classes - 1
    split = Split.whole(inputs, labels)
    return DeviceSplit.of(split, Normalisation.fit(inputs), device)


def _stepper(
    config: RunConfig, model: nn.Module, optimizer: Optimizer, split: DeviceSplit
) -> Callable[[int], None]:
    """One step of the training loop, by its number."""
    lanes = Lanes(config.training, model, optimizer, split, Group())
    # Of an ensemble the members that the first process trains.
    lanes.lanes = lanes.lanes[:: config.training.num_processes]
    rescaled = lanes.rescaled_weights() if config.training.rescale_weights else []
    rows = torch.arange(len(split), device=split.labels.device)
    lanes.train()

    def step(number: int) -> None:
        lanes.passes([rows] * len(lanes.lanes), number)
        for lane in lanes.lanes:
            lane.optimizer.step()
        rescale(rescaled)

    return step


def period(config: RunConfig) -> int:
    """Steps after which an optimizer's dear ones come again, at most a hundred."""
    values = config.optimizer.hyperparameters
    longest = max(int(values.get(name) or 1) for name in PERIODS)
    return min(longest, LONGEST_PERIOD)


def _prediction(
    model: nn.Module, optimizer: Optimizer, sizes: Sizes, device: torch.device
) -> tuple[float, float]:
    """Seconds a predicted example, and seconds a draw of the weights."""
    split = random_split(sizes, BATCH_SIZE, device)
    predict(model, [split])
    once = median_seconds(lambda: predict(model, [split]), device) / len(split)
    # A posterior is made once a prediction, which has many draws.
    draws = chain.from_iterable(draws_of(model, optimizer, REPEATS) for _ in count())
    if not has_posterior(optimizer):
        return once, 0.0

    def draw() -> None:
        with next(draws):
            pass

    return once, median_seconds(draw, device)


def describe(device: torch.device) -> str:
    """A device for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    number = torch.get_num_threads()
    return f"the CPU ({number} thread{'s' if number > 1 else ''})"


def busy() -> float:
    """How many programs wanted each core in the last minute; 0 where nobody counts."""
    try:
        return os.getloadavg()[0] / cores()
    except (OSError, AttributeError):
        return 0.0
