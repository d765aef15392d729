"""Measure what a run will cost: a few real steps on random inputs, on its device.

Bounded in time, and a batch that does not fit is told. What depends on the data alone
(their loading, the early end of a training) is not in it; of several processes one is
measured, without the messages between them.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import psutil
import torch
from torch import nn
from torch.optim import Optimizer

from data.arrays import Normalisation, Split
from trainers.abilities import has_posterior
from trainers.augmentation import Augmentation
from trainers.batches import DeviceSplit
from trainers.config import RunConfig
from trainers.costs import Cost, Sizes, Span, data_sizes
from trainers.evaluate import resolve_device
from trainers.jobs.devices import cores
from trainers.memory import free_memory, is_lack_of_memory, peak_memory
from trainers.models import build_model
from trainers.optimizers import build_optimizer
from trainers.predict import BATCH_SIZE, predict
from trainers.rescaling import rescale, rescaled_weights
from trainers.steps import train_step

SECONDS = 10.0  # of measured steps
MAX_STEPS = 400
GROUPS = 10  # of steps, of which the spread is told
WARM_UP = 3  # steps, of which the first allocates and compiles
CUDA_BLOCK = 10  # steps between two waits for a GPU, which runs behind
PERIODS = ("factor_interval", "inverse_interval", "curvature_interval")
LONGEST_PERIOD = 100
REPEATS = 25  # of a prediction, within a second


def measure(config: RunConfig, seconds: float = SECONDS) -> Cost:
    """Measure a configuration in this process, which should do nothing else.

    Args:
        config: The configuration; its weights are not read.
        seconds: For how long steps are measured, at most `MAX_STEPS`.

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
        available=free_memory(device),
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
    model = build_model(config.model.name, sizes.input_shape, sizes.num_classes)
    model = model.to(device)
    optimizer = build_optimizer(config.optimizer, model, sizes.train, training.seed)
    start = cost.start + time.monotonic() - began
    batch = -(-min(training.batch_size, sizes.train) // training.num_processes)
    # BatchNorm has no statistics of a single example.
    split = random_split(sizes, max(2, batch), device)
    step = _stepper(config, model, optimizer, split)
    times, num_steps = timed_steps(step, device, seconds, period(config))
    per_example, per_draw = _prediction(model, optimizer, sizes, device)
    return replace(
        cost,
        parameters=sum(each.numel() for each in model.parameters()),
        batch_size=len(split),
        step=span(times),
        num_steps=num_steps,
        predict=per_example,
        draw=per_draw,
        start=start,
    )


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
    rescaled = rescaled_weights(model) if config.training.rescale_weights else []
    augmentation = Augmentation(config.training, split)
    rows = torch.arange(len(split), device=split.labels.device)
    model.train()

    def step(number: int) -> None:
        inputs, targets = augmentation.batch(rows, slice(None), number)
        train_step(
            model, optimizer, inputs, targets,
            label_smoothing=config.training.label_smoothing,
        )  # fmt: skip
        rescale(rescaled)

    return step


def period(config: RunConfig) -> int:
    """Steps after which an optimizer's dear ones come again, at most a hundred."""
    values = config.optimizer.hyperparameters
    longest = max(int(values.get(name) or 1) for name in PERIODS)
    return min(longest, LONGEST_PERIOD)


def timed_steps(
    step: Callable[[int], None],
    device: torch.device,
    seconds: float,
    cycle: int = 1,
) -> tuple[list[float], int]:
    """Seconds a step, in each of some groups of steps, warmed up.

    Args:
        step: Does the step of a number.
        device: Where it does it.
        seconds: To measure for; a step that takes longer is measured once.
        cycle: Steps after which dear ones come again: whole cycles are measured, if
            time allows one.

    Returns:
        The seconds, and how many steps were measured.
    """
    block = CUDA_BLOCK if device.type == "cuda" else 1
    number = 0
    times: list[float] = []
    warm = time.monotonic()
    while number < WARM_UP and (not number or time.monotonic() - warm < seconds / 4):
        step(number)
        number += 1
    wait_for(device)
    begin = time.monotonic()
    while len(times) * block < MAX_STEPS:
        before = time.monotonic()
        if times and before - begin > seconds:
            break
        for _ in range(block):
            step(number)
            number += 1
        wait_for(device)
        times.append((time.monotonic() - before) / block)
    return in_groups(times, max(1, cycle // block)), len(times) * block


def in_groups(times: list[float], cycle: int) -> list[float]:
    """Means of up to `GROUPS` groups of equally many steps that follow each other.

    A group has whole cycles, if there are enough steps for one: the mean of half a
    cycle would have too many of the dear steps, or too few.
    """
    size = max(1, len(times) // (GROUPS * cycle)) * cycle
    whole = len(times) // size * size
    groups = [sum(times[k : k + size]) / size for k in range(0, whole, size)]
    return groups or [sum(times) / len(times)]


def span(times: list[float]) -> Span:
    """What a step takes: a tenth of the groups took less, half, and nine tenths.

    The middle is a median since other programs take the machine for moments. Groups
    vary little by chance if there are few: the ends are a tenth off at least.
    """
    low, middle, high = map(float, np.quantile(times, (0.1, 0.5, 0.9)))
    return Span(min(low, 0.9 * middle), middle, max(high, 1.1 * middle))


def _prediction(
    model: nn.Module, optimizer: Optimizer, sizes: Sizes, device: torch.device
) -> tuple[float, float]:
    """Seconds a predicted example, and seconds a draw of the weights."""
    split = random_split(sizes, BATCH_SIZE, device)
    predict(model, [split])
    once = _seconds(lambda: predict(model, [split]), device)
    if not has_posterior(optimizer):
        return once / len(split), 0.0

    def draw() -> None:
        with optimizer.sampled_params():
            predict(model, [split])

    return once / len(split), max(0.0, _seconds(draw, device) - once)


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    """The median of some times that something takes."""
    times: list[float] = []
    begin = time.monotonic()
    while len(times) < 3 or (len(times) < REPEATS and time.monotonic() - begin < 1.0):
        before = time.monotonic()
        action()
        wait_for(device)
        times.append(time.monotonic() - before)
    return float(np.median(times))


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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
