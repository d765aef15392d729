"""What a run of continual learning does, as plain data that checks itself. Torch-free.

The settings of VOGN and EWC were found in the quick setting on Fashion-MNIST, judged on
held-out training images alone (`--validate`). VOGN: about a hundred settings on three
or five tasks of seed 0, most of them at random, then two learning rates and strengths
of 4, 6 and 10 on ten tasks of seed 1. EWC: strengths of 1 to 1000 and rates of 3e-4 and
1e-3 on five tasks of seed 0, then 1 to 30 and 1e-4 to 1e-3 on ten tasks of seed 1.
AdamW has its usual rate. Those of long trainings follow and were not searched.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from data import dataset_spec
from trainers.checks import check_int, check_number, check_text
from trainers.config import (
    OOD_NONE,
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)

# Methods in the order in which they learn each task and are shown.
METHODS = {"vogn": "VOGN", "ewc": "EWC", "adamw": "AdamW", "joint": "Joint training"}

MOST_TASKS, MOST_UNITS, MOST_LAYERS = 100, 10_000, 10

# Of VOGN, for every task. Damping is 0: the noise of each weight is to say what the
# images say of it. The temperature is to the number of images as in `QUICK`.
VOGN_SETTINGS: Mapping[str, Any] = {
    "lr": 0.02,
    "initial_curvature": 0.03,
    "curvature_decay": 0.99,
    "prior_precision": 30.0,
    "temperature": 0.15,
    "damping": 0.0,
}


@dataclass(frozen=True, kw_only=True)
class ContinualSettings:
    """All that decides a run.

    Args:
        dataset: A set of images, whose pixels each task shows in an order of its own.
        tasks: Number of tasks, in [2, 100]; the first shows the images as they are.
        epochs: Passes over each task's images, of joint training over all so far.
        methods: Some of `METHODS`, in any order.
        seed: Of the pixel orders, initial weights, batches and noise.
        hidden: Units of each hidden layer.
        batch_size: Images a step.
        num_train: Training images of each task, the same ones in all; 0 for all there
            are.
        lr: Learning rate of AdamW, alone and in joint training.
        ewc_lr: Learning rate of AdamW in EWC.
        ewc_strength: Weight lambda of EWC's penalty.
        vogn: VOGN's hyper-parameters, those of the catalogue.
        prior_strength: How many times what a task's images say of the weights counts
            once their posterior is a prior, > 0; 1 is Bayes' rule. See
            `trainers.continual.learners.Bayesian`.
        validation_fraction: Share of the training images that is held out, in [0, 0.5].
        validate: Whether accuracies are those on the held-out images in place of the
            test images: to choose settings by.
        split_seed: Which images are held out.
        device: "auto", "cpu", "cuda" or "cuda:N".
    """

    dataset: str = "fashion-mnist"
    tasks: int = 10
    epochs: int = 10
    methods: tuple[str, ...] = tuple(METHODS)
    seed: int = 0
    hidden: tuple[int, ...] = (100, 100)
    batch_size: int = 128
    num_train: int = 0
    lr: float = 1e-3
    ewc_lr: float = 3e-4
    ewc_strength: float = 1.0
    vogn: Mapping[str, Any] = field(default_factory=lambda: dict(VOGN_SETTINGS))
    prior_strength: float = 6.0
    validation_fraction: float = 0.1
    validate: bool = False
    split_seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check_text("dataset", self.dataset)
        if dataset_spec(self.dataset, "dataset").kind != "image":
            raise ValueError(
                f"dataset must be a set of images, got {self.dataset!r}, which has "
                "no pixels to permute."
            )
        check_int("tasks", self.tasks, 2, MOST_TASKS)
        check_int("num_train", self.num_train, 0, 2**31 - 1)
        for name in ("lr", "ewc_lr"):
            check_number(name, getattr(self, name), 1e-9, 10)
        check_number("ewc_strength", self.ewc_strength, 0, 1e9)
        check_number("prior_strength", self.prior_strength, 1e-6, 1e6)
        object.__setattr__(self, "methods", self._checked_methods())
        object.__setattr__(self, "hidden", self._checked_hidden())
        config = self.config()  # checks the rest
        object.__setattr__(self, "vogn", dict(config.optimizer.hyperparameters))
        if not self.vogn["sampled"]:
            raise ValueError(
                "sampled must be true for VOGN, whose posterior is the prior of the "
                "next task, got false."
            )
        if self.validate and not self.validation_fraction:
            raise ValueError("validation_fraction must be > 0 to validate, got 0.")

    def _checked_methods(self) -> tuple[str, ...]:
        given = tuple(self.methods)
        unknown = [name for name in given if name not in METHODS]
        if unknown or not given or len(set(given)) < len(given):
            raise ValueError(
                f"methods must be some of {', '.join(METHODS)}, each once, got "
                f"{' '.join(map(str, given)) or 'none'}."
            )
        return tuple(name for name in METHODS if name in given)

    def _checked_hidden(self) -> tuple[int, ...]:
        sizes = tuple(self.hidden)
        if not 1 <= len(sizes) <= MOST_LAYERS:
            raise ValueError(
                f"hidden must have 1 to {MOST_LAYERS} layers, got {len(sizes)}."
            )
        for size in sizes:
            check_int("hidden", size, 1, MOST_UNITS)
        return sizes

    def config(self) -> RunConfig:
        """The run's configuration: that of VOGN's part, as far as it can be told."""
        return RunConfig(
            dataset=DatasetConfig(
                name=self.dataset,
                validation_fraction=self.validation_fraction,
                split_seed=self.split_seed,
            ),
            model=ModelConfig(name="mlp"),
            optimizer=OptimizerConfig(name="vogn", hyperparameters=self.vogn),
            training=TrainingConfig(
                epochs=self.epochs,
                batch_size=self.batch_size,
                seed=self.seed,
                device=self.device,
            ),
            evaluation=EvaluationConfig(ood=OOD_NONE),
        )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready data."""
        content = asdict(self)
        return {**content, "methods": list(self.methods), "hidden": list(self.hidden)}

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Build settings from what `to_dict` wrote.

        Raises:
            ValueError: If it is not an object, has an unknown key, or a value is not
                allowed.
        """
        known = {item.name for item in fields(cls)}
        if not isinstance(content, Mapping) or not set(content) <= known:
            raise ValueError(
                f"settings must be an object with some of {', '.join(sorted(known))}, "
                f"got {content!r}."
            )
        try:
            return cls(**content)
        except TypeError as error:  # such as methods that are no list
            raise ValueError(
                f"settings must have values of their types: {error}."
            ) from None


DEFAULTS = ContinualSettings()
# Ten tasks within ten minutes for all methods on two cores.
QUICK = replace(
    DEFAULTS, epochs=5, num_train=10_000, vogn={**VOGN_SETTINGS, "temperature": 0.03}
)
