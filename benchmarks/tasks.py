"""What is learned in benchmarks/quality.py: data, network and length, by name.

`fashion-lenet` is the protocol of design.md, section 7. The small sets are trained for
60 epochs, as the launch form suggests for them, with the product's own split and the
out-of-distribution set that it chooses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from data import DATASETS
from data.arrays import LoadedDataset, Normalisation
from data.loaders import load_dataset
from data.splits import stratified_split
from trainers.batches import DeviceSplit
from trainers.config import (
    OOD_AUTO,
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.evaluate import resolve_device
from trainers.session import load_ood_sets

SMALL_EPOCHS = 60
SUBSET_SEED = 0  # one subset for all seeds, as there is one split


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to learn.

    Args:
        dataset: Name in `data.DATASETS`.
        model: Name in `trainers.catalogue.MODELS`.
        epochs: Passes over the training images.
        validation_fraction: Share of the training part held out.
        num_train: Training examples, drawn class by class; None for all.
        num_samples: Draws for a prediction, of every method that has any.
        ood: As in `trainers.config.EvaluationConfig`.
    """

    dataset: str
    model: str
    epochs: int = SMALL_EPOCHS
    validation_fraction: float = DatasetConfig.validation_fraction
    num_train: int | None = None
    num_samples: int = 32
    ood: str = OOD_AUTO

    def config(self, optimizer: str, seed: int) -> RunConfig:
        """The product's configuration of a run; it knows nothing of `num_train`."""
        return RunConfig(
            dataset=DatasetConfig(
                name=self.dataset, validation_fraction=self.validation_fraction
            ),
            model=ModelConfig(name=self.model),
            optimizer=OptimizerConfig(name=optimizer),
            training=TrainingConfig(epochs=self.epochs, seed=seed),
            evaluation=EvaluationConfig(test_samples=self.num_samples, ood=self.ood),
        )


def small(dataset: str, model: str) -> Task:
    """A set of some thousand examples, as the product trains on it."""
    return Task(dataset=dataset, model=model)


def fashion(model: str, epochs: int, num_train: int | None = None) -> Task:
    """Fashion-MNIST without a validation split, with digits out of distribution."""
    return Task(
        dataset="fashion-mnist", model=model, epochs=epochs, validation_fraction=0.0,
        num_train=num_train, ood="digits",
    )  # fmt: skip


TASKS: dict[str, Task] = {
    "fashion-lenet": fashion("lenet5", 20),
    "digits-mlp": small("digits", "mlp"),
    "digits-lenet5": small("digits", "lenet5"),
    "fashion-resnet20": fashion("resnet20", 10, num_train=10_000),
    "moons-mlp": small("moons", "mlp"),
    "blobs-mlp": small("blobs", "mlp"),
    "spirals-mlp": small("spirals", "mlp"),
}
DEFAULT_TASK, ALL_TASKS = "fashion-lenet", "all"
QUICK_TRAIN, QUICK_SAMPLES = 20_000, 8


def quick(task: Task) -> Task:
    """A glance at a task: one epoch, over part of a large set, and few samples."""
    size = task.num_train or DATASETS[task.dataset].train_size or 0
    num_train = QUICK_TRAIN if size > QUICK_TRAIN else task.num_train
    return replace(task, epochs=1, num_train=num_train, num_samples=QUICK_SAMPLES)


def chosen_tasks(names: Sequence[str]) -> list[str]:
    """Names of tasks without repeats, "all" being every one."""
    return list(TASKS) if ALL_TASKS in names else list(dict.fromkeys(names))


@dataclass(frozen=True, eq=False)
class Problem:
    """A task with its data on a device.

    Args:
        task: The task.
        data: Its dataset, the training part cut to `num_train`.
        ood: Name of the out-of-distribution set, None where there is none.
        train: What is learned from.
        judged: What is predicted: the test part, then the out-of-distribution set.
    """

    task: Task
    data: LoadedDataset
    ood: str | None
    train: DeviceSplit
    judged: list[DeviceSplit]


@cache
def load_problem(task: Task) -> Problem:
    """Load a task's data as a run of the product does, once a process."""
    config = task.config("adamw", seed=0)
    device = resolve_device(config.training.device)
    data = load_dataset(
        task.dataset,
        validation_fraction=task.validation_fraction,
        seed=config.dataset.split_seed,
    )
    data = subset(data, task.num_train)
    ood = load_ood_sets(config, data)
    train, *judged = (
        DeviceSplit.of(part, data.normalisation, device)
        for part in (data.train, data.test, *ood.values())
    )
    return Problem(task, data, next(iter(ood), None), train, judged)


def subset(data: LoadedDataset, num_train: int | None) -> LoadedDataset:
    """Cut the training part down, every class in proportion.

    Args:
        data: A dataset.
        num_train: Training examples wanted, rounded class by class; None for all.

    Returns:
        The dataset, normalised by what is left of its training part.

    Raises:
        ValueError: There are no more training examples than that.
    """
    if num_train is None:
        return data
    total = len(data.train)
    if not 0 < num_train < total:
        raise ValueError(f"num_train must be in [1, {total - 1}], got {num_train}.")
    share = num_train / total
    rows, _ = stratified_split(data.train.labels, (share, 1 - share), SUBSET_SEED)
    train = data.train.take(rows)
    return replace(data, train=train, normalisation=Normalisation.fit(train.inputs))
