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

SCHEMA = 1
SCHEDULES = ("cosine", "constant")
OOD_AUTO, OOD_NONE = "auto", "none"


def _check_int(name: str, value: Any, minimum: int, maximum: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not minimum <= value <= maximum:
        raise ValueError(
            f"{name} must be a whole number in [{minimum}, {maximum}], got {value!r}."
        )


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {value!r}.")


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
        _check_text("dataset", self.name)
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
            _check_text("folder", self.folder)
        fraction = self.validation_fraction
        number = isinstance(fraction, int | float) and not isinstance(fraction, bool)
        if not number or not 0 <= fraction <= 0.5:
            raise ValueError(
                f"validation_fraction must be in [0, 0.5], got {fraction!r}."
            )
        _check_int("split_seed", self.split_seed, 0, 2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which network, by its name in `trainers.catalogue`."""

    name: str

    def __post_init__(self) -> None:
        _check_text("model", self.name)
        model_spec(self.name)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Which optimizer, with every hyper-parameter filled in."""

    name: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_text("optimizer", self.name)
        if not isinstance(self.hyperparameters, Mapping):
            raise ValueError(
                f"hyperparameters must be an object, got {self.hyperparameters!r}."
            )
        complete = optimizer_spec(self.name).validated(self.hyperparameters)
        object.__setattr__(self, "hyperparameters", complete)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long and on what.

    Args:
        epochs: Passes over the training split.
        batch_size: Examples a step.
        schedule: Learning rate by step: cosine to zero, or constant.
        seed: Seed of initial weights, batch order and weight noise.
        device: "auto" (CUDA if present), "cpu", "cuda" or "cuda:N".
        log_interval: Steps between two logged lines.
        num_processes: Processes that share every batch, in [1, 1024]; on CUDA each
            takes a GPU. Where torchrun started several already, their number rules.
    """

    epochs: int = 5
    batch_size: int = 128
    schedule: str = "cosine"
    seed: int = 0
    device: str = "auto"
    log_interval: int = 10
    num_processes: int = 1

    def __post_init__(self) -> None:
        _check_int("epochs", self.epochs, 1, 100_000)
        _check_int("batch_size", self.batch_size, 1, 1_000_000)
        _check_int("seed", self.seed, 0, 2**31 - 1)
        _check_int("log_interval", self.log_interval, 1, 1_000_000)
        _check_int("num_processes", self.num_processes, 1, 1024)
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)}, "
                f"got {self.schedule!r}."
            )
        _check_text("device", self.device)
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
        _check_int("test_samples", self.test_samples, 1, 4096)
        _check_int("validation_samples", self.validation_samples, 1, 4096)
        _check_text("ood", self.ood)
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

    def _check_ood(self, kind: str) -> None:
        if self.evaluation.ood in (OOD_AUTO, OOD_NONE):
            return
        other = dataset_spec(self.evaluation.ood)
        if other.kind != "image" or kind != "image" or other.name == self.dataset.name:
            raise ValueError(
                f"ood must be another set of images for dataset "
                f"{self.dataset.name!r}, got {self.evaluation.ood!r}."
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
    for section in (config.dataset, config.training, config.evaluation):
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
