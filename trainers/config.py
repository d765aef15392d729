"""The whole configuration of a run, as frozen dataclasses that check themselves.

`to_dict` and `from_dict` round-trip exactly; unknown keys are refused. Torch-free.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from data import dataset_spec
from trainers.catalogue import model_spec, optimizer_spec
from trainers.checks import check_int, check_number, check_switch, check_text
from trainers.ensembles import MEMBERS
from trainers.timm_catalogue import TIMM_PREFIX, timm_spec

SCHEMA = 1
COSINE, CONSTANT, POLYNOMIAL = "cosine", "constant", "polynomial"
SCHEDULES = (COSINE, CONSTANT, POLYNOMIAL)
OOD_AUTO, OOD_NONE = "auto", "none"
SAFETENSORS = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Which data.

    Args:
        name: Name in `data.DATASETS`.
        folder: Image folder with one sub-folder a class; for `folder` only.
        validation_fraction: Share of the training part held out, in [0, 0.5].
        split_seed: Seed of the splits, apart from the training seed so that runs
            with different seeds are tested on the same examples.
    """

    name: str
    folder: str | None = None
    validation_fraction: float = 0.1
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_text("dataset", self.name)
        spec = dataset_spec(self.name, "dataset")
        if spec.ood_only:
            raise ValueError(
                f"dataset must be one that can be trained on, got {self.name!r}, "
                "which serves as an out-of-distribution set only."
            )
        if (spec.kind == "folder") != bool(self.folder):
            wanted = "given" if spec.kind == "folder" else "left out"
            raise ValueError(
                f"folder must be {wanted} for dataset {self.name!r}, "
                f"got {self.folder!r}."
            )
        if self.folder is not None:
            check_text("folder", self.folder)
        check_number("validation_fraction", self.validation_fraction, 0, 0.5)
        check_int("split_seed", self.split_seed, 0, 2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network, and what its training begins with.

    Args:
        name: Name in `trainers.catalogue`.
        pretrained: Whether to begin with timm's weights, which are downloaded; for
            networks of timm only.
        weights: A .safetensors file on this machine to begin with in their place.
    """

    name: str
    pretrained: bool = False
    weights: str | None = None

    def __post_init__(self) -> None:
        check_text("model", self.name)
        model_spec(self.name)
        check_switch("pretrained", self.pretrained)
        if self.weights is not None:
            self._check_weights()
        elif self.pretrained:
            self._check_pretrained()

    @property
    def begins_trained(self) -> bool:
        """Whether its weights come from elsewhere than chance."""
        return self.pretrained or self.weights is not None

    def _check_weights(self) -> None:
        check_text("weights", self.weights)
        if not self.name.startswith(TIMM_PREFIX):
            raise ValueError(
                f"weights must be left out for model {self.name!r}, which is none of "
                f"timm's, got {self.weights!r}."
            )
        if not str(self.weights).endswith(SAFETENSORS):
            raise ValueError(
                f"weights must be a {SAFETENSORS} file (others can run code when they "
                f"are read), got {self.weights!r}."
            )

    def _check_pretrained(self) -> None:
        if not self.name.startswith(TIMM_PREFIX):
            raise ValueError(
                f"pretrained must be false for model {self.name!r}, which is none of "
                "timm's, got True."
            )
        known = timm_spec(self.name)
        if known is not None and not known.weights:
            raise ValueError(
                f"pretrained must be false for model {self.name!r}, of which timm has "
                "no weights, got True. A file of yours can be named with weights."
            )


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Which optimizer, with every hyper-parameter filled in."""

    name: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_text("optimizer", self.name)
        if not isinstance(self.hyperparameters, Mapping):
            raise ValueError(
                f"hyperparameters must be an object, got {self.hyperparameters!r}."
            )
        complete = optimizer_spec(self.name).validated(self.hyperparameters)
        object.__setattr__(self, "hyperparameters", complete)


# The settings of a training that are fractions, with the largest allowed value.
_NUMBERS = {
    "decay_power": 100,
    "decay_start": 100_000,
    "decay_end": 1_000_000,
    "mixup": 100,
    "random_erasing": 1,
    "label_smoothing": 1,
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long and on what.

    Args:
        epochs: Passes over the training split.
        batch_size: Examples a step.
        schedule: Learning rate by step: cosine to zero, constant, or polynomial, which
            is constant up to `decay_start` and falls to zero at `decay_end` as
            ((end - epoch) / (end - start)) ** decay_power.
        decay_power: Power of the polynomial, in [0, 100].
        decay_start: Epochs after which it begins to fall, a fraction being allowed.
        decay_end: Epochs after which it is zero; 0 stands for the number of epochs.
            Beyond them the learning rate never gets to zero.
        couple_momentum: Whether the momentum falls as the learning rate does.
        mixup: Alpha >= 0 of running mixup, see `trainers.mixup`; 0 for none.
        random_erasing: Probability with which a rectangle of an image is blanked, see
            `trainers.erasing`.
        label_smoothing: Share in [0, 1] of a label that goes to all classes alike.
        rescale_weights: Whether each layer's weights get a fixed norm after every step,
            see `trainers.rescaling`.
        seed: Seed of initial weights, batch order, augmentation and weight noise.
        device: "auto" (CUDA if present), "cpu", "cuda" or "cuda:N".
        log_interval: Steps between two logged lines.
        num_processes: Processes that share every batch, in [1, 1024]; on CUDA each
            takes a GPU. Where torchrun started several already, their number rules.
    """

    epochs: int = 5
    batch_size: int = 128
    schedule: str = COSINE
    decay_power: float = 2.0
    decay_start: float = 0.0
    decay_end: float = 0.0
    couple_momentum: bool = False
    mixup: float = 0.0
    random_erasing: float = 0.0
    label_smoothing: float = 0.0
    rescale_weights: bool = False
    seed: int = 0
    device: str = "auto"
    log_interval: int = 10
    num_processes: int = 1

    def __post_init__(self) -> None:
        check_int("epochs", self.epochs, 1, 100_000)
        check_int("batch_size", self.batch_size, 1, 1_000_000)
        check_int("seed", self.seed, 0, 2**31 - 1)
        check_int("log_interval", self.log_interval, 1, 1_000_000)
        check_int("num_processes", self.num_processes, 1, 1024)
        for name, maximum in _NUMBERS.items():
            check_number(name, getattr(self, name), 0, maximum)
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("couple_momentum", "rescale_weights"):
            check_switch(name, getattr(self, name))
        self._check_schedule()
        self._check_device()

    def _check_schedule(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)}, "
                f"got {self.schedule!r}."
            )
        end = self.decay_end or self.epochs
        if self.schedule == POLYNOMIAL and end <= self.decay_start:
            raise ValueError(
                f"decay_start must be < {end:g}, where the decay ends, "
                f"got {self.decay_start:g}."
            )

    def _check_device(self) -> None:
        check_text("device", self.device)
        if not re.fullmatch(r"auto|cpu|cuda(:\d{1,2})?", self.device):
            raise ValueError(
                f"device must be auto, cpu, cuda or cuda:N, got {self.device!r}."
            )
        if self.num_processes > 1 and ":" in self.device:
            raise ValueError(
                f"device must be auto, cpu or cuda for {self.num_processes} processes, "
                f"got {self.device!r}."
            )


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How the run is judged.

    Args:
        test_samples: Posterior samples at the end.
        validation_samples: Posterior samples after each epoch.
        ood: Out-of-distribution set: a dataset's name, "auto" (the first suggested
            partner at hand) or "none".
    """

    test_samples: int = 32
    validation_samples: int = 4
    ood: str = OOD_AUTO

    def __post_init__(self) -> None:
        check_int("test_samples", self.test_samples, 1, 4096)
        check_int("validation_samples", self.validation_samples, 1, 4096)
        check_text("ood", self.ood)
        if self.ood not in (OOD_AUTO, OOD_NONE):
            dataset_spec(self.ood, "ood")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run."""

    dataset: DatasetConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        kind = dataset_spec(self.dataset.name).kind
        kind = "image" if kind == "folder" else kind
        accepted = model_spec(self.model.name).inputs
        if kind not in accepted:
            raise ValueError(
                f"model must take {kind} inputs for dataset {self.dataset.name!r}, "
                f"got {self.model.name!r}, which takes {' or '.join(accepted)}."
            )
        self._check_ood(kind)
        self._check_options(kind)

    def _check_ood(self, kind: str) -> None:
        if self.evaluation.ood in (OOD_AUTO, OOD_NONE):
            return
        other = dataset_spec(self.evaluation.ood)
        if other.kind != "image" or kind != "image" or other.name == self.dataset.name:
            raise ValueError(
                f"ood must be another set of images for dataset "
                f"{self.dataset.name!r}, got {self.evaluation.ood!r}."
            )

    def _check_options(self, kind: str) -> None:
        """Refuse options of the training that do not suit its data or optimizer."""
        name, training = self.optimizer.name, self.training
        spec, values = optimizer_spec(name), self.optimizer.hyperparameters
        if kind != "image" and training.random_erasing:
            raise ValueError(
                f"random_erasing must be 0 for dataset {self.dataset.name!r}, which "
                f"has no images, got {training.random_erasing:g}."
            )
        members = values.get(MEMBERS, training.num_processes)
        if training.num_processes > members:
            raise ValueError(
                f"num_processes must be at most {members}, the number of members, "
                f"which they share out, got {training.num_processes}."
            )
        if MEMBERS in values and training.mixup and training.num_processes > 1:
            raise ValueError(
                f"mixup must be 0 for optimizer {name!r} on several processes, whose "
                "checkpoints would lack the last mixed batches, got "
                f"{training.mixup:g}."
            )
        if training.couple_momentum and not spec.keeps_velocity:
            raise ValueError(
                f"couple_momentum must be false for optimizer {name!r}, which keeps no "
                "velocity, got True."
            )
        if training.rescale_weights and spec.bayesian and values.get("sampled", True):
            raise ValueError(
                f"rescale_weights must be false for optimizer {name!r}, whose "
                "posterior knows nothing of it, got True."
            )

    def to_dict(self) -> dict[str, Any]:
        """This configuration as JSON-ready data, with the schema version."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Build a configuration from what `to_dict` wrote.

        Args:
            content: Decoded JSON. `code_version` (the launcher's note) is allowed.

        Returns:
            The checked configuration.

        Raises:
            ValueError: If the schema is another, a key is unknown or missing, or a
                value is not allowed.
        """
        if not isinstance(content, Mapping):
            raise ValueError(f"configuration must be an object, got {content!r}.")
        if content.get("schema") != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}, got {content.get('schema')!r}.")
        parts = {
            k: v for k, v in content.items() if k not in ("schema", "code_version")
        }
        sections = {item.name: _SECTIONS[item.name] for item in fields(cls)}
        _check_keys("configuration", parts, set(sections))
        built = {name: _section(name, kind, parts) for name, kind in sections.items()}
        return cls(**built)


_SECTIONS: dict[str, type] = {
    "dataset": DatasetConfig,
    "model": ModelConfig,
    "optimizer": OptimizerConfig,
    "training": TrainingConfig,
    "evaluation": EvaluationConfig,
}


def _check_keys(name: str, given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ValueError(
            f"{name} must have only the keys {', '.join(sorted(known))}, "
            f"got {', '.join(map(repr, unknown))}."
        )


def _section(name: str, kind: type, parts: Mapping[str, Any]) -> Any:
    value = parts.get(name, {})
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be an object, got {value!r}.")
    _check_keys(name, value, {item.name for item in fields(kind)})
    if "name" in {item.name for item in fields(kind)} and "name" not in value:
        raise ValueError(f"{name} must have a name, got {dict(value)!r}.")
    return kind(**value)


def command(config: RunConfig) -> list[str]:
    """The command line that repeats a run, leaving out what is default.

    Args:
        config: A checked configuration.

    Returns:
        Words such as `["python", "-m", "trainers", "run", "--dataset", ...]`.
    """
    words = ["python", "-m", "trainers", "run", "--dataset", config.dataset.name]
    words += ["--model", config.model.name, "--optimizer", config.optimizer.name]
    sections = (config.dataset, config.model, config.training, config.evaluation)
    for section in sections:
        for item in fields(section):
            value = getattr(section, item.name)
            if item.name != "name" and value != item.default:
                words += [f"--{item.name.replace('_', '-')}", str(value)]
    defaults = optimizer_spec(config.optimizer.name).defaults()
    for name, value in config.optimizer.hyperparameters.items():
        if value != defaults[name]:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def command_line(config: RunConfig) -> str:
    """`command` as one line to paste into a shell."""
    return shlex.join(command(config))
