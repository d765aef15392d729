"""Trains the trials of a search with the product's own trainer, and judges them.

Data are read once. A trial sees the training and the validation split; the test split
is dropped before the first one. Nothing is written: a trial that was interrupted starts
anew, which is cheaper than checkpoints of all.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

import torch
from torch import nn
from torch.optim import Optimizer

from calibration import headline
from trainers.abilities import Finishing
from trainers.batches import DeviceSplit, num_steps
from trainers.config import RunConfig
from trainers.evaluate import resolve_device
from trainers.hyperparameters import AUTO
from trainers.models import build_model, seeded_networks
from trainers.optimizers import Plan, build_optimizer
from trainers.predict import DivergedError, check_finite, predict_samples
from trainers.reporting import SilentReporter
from trainers.runs import Run
from trainers.session import load_data
from trainers.status import ON_REQUEST, RUNNING, Status
from trainers.stopping import StopSignal
from trainers.trainer import EPOCH, Trainer
from trainers.tuning.search import Report
from trainers.tuning.trial import COMPLETE, CUT, DIVERGED, Score
from vogn_app.optim.prior_learning import learn_prior
from vogn_app.optim.sampled import SampledOptimizer

MEASURES = ("nll", "accuracy", "ece")
# What a bad choice of hyper-parameters does; any other error ends the search.
LOST = (DivergedError, torch.linalg.LinAlgError)  # type: ignore[attr-defined]
OUT_OF_TIME = "The time was over."


class Interruption(Exception):  # noqa: N818 - nothing went wrong
    """Somebody asked to stop, or the time was over; the text says which."""


class _Cut(Exception):  # noqa: N818 - nothing went wrong
    """Halving ended the trial."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training gave; see `trainers.tuning.trial.Trial`."""

    state: str
    scores: tuple[Score, ...]
    found: Mapping[str, float] = field(default_factory=dict)
    message: str = ""


@final
class Bench:
    """Where trials are trained.

    Args:
        config: Its dataset, model and training are those of all trials.
        stop: Asked after every step.
        deadline: Time of `time.monotonic` at which there is no more.
    """

    def __init__(
        self, config: RunConfig, stop: StopSignal, deadline: float = math.inf
    ) -> None:
        self._config, self._stop, self._deadline = config, stop, deadline
        self._device = resolve_device(config.training.device)
        data = load_data(config)
        self._shapes = data.input_shape, data.num_classes
        self._train = DeviceSplit.of(data.train, data.normalisation, self._device)
        self._validation = DeviceSplit.of(
            data.validation, data.normalisation, self._device
        )

    @property
    def num_steps(self) -> int:
        """Steps of a whole training."""
        return num_steps(len(self._train), self._config.training)

    def start(self) -> dict[str, Any]:
        """All hyper-parameters of the configuration, numbers in the place of "auto".

        What the optimizer does not say stays "auto".
        """
        values = dict(self._config.optimizer.hyperparameters)
        _, optimizer = self._built(self._config)
        for name, value in values.items():
            if value == AUTO:
                values[name] = _number(optimizer, name, value)
        return values

    def train(
        self, config: RunConfig, report: Report, learns_prior: bool = False
    ) -> Outcome:
        """Train a trial to its end, or as far as it is let.

        Args:
            config: The run.
            report: Told of each epoch; says whether the trial is to be ended.
            learns_prior: Whether the prior precision follows the ELBO.

        Returns:
            What it gave.

        Raises:
            Interruption: If somebody asked to stop, or the time was over.
        """
        reporter = _Reporter(report, self._deadline)
        try:
            model, optimizer = self._built(config)
            if learns_prior:
                reporter.after_epoch = _prior_learner(optimizer)
            self._fit(config, model, optimizer, reporter)
            if isinstance(optimizer, Finishing):  # what it finished is what counts
                reporter.scores[-1] = self._judged(config, model, optimizer)
        except _Cut:
            return Outcome(state=CUT, scores=tuple(reporter.scores))
        except LOST as error:
            return Outcome(
                state=DIVERGED, scores=tuple(reporter.scores), message=str(error)
            )
        found: dict[str, float] = {}
        if learns_prior:
            found = {"prior_precision": float(_number(optimizer, "prior_precision"))}
        return Outcome(state=COMPLETE, scores=tuple(reporter.scores), found=found)

    def _built(self, config: RunConfig) -> tuple[nn.Module, Optimizer]:
        """A network and its optimizer, as `trainers.session` builds them."""
        seed = config.training.seed
        torch.manual_seed(seed)
        model = build_model(config.model.name, *self._shapes)
        self._begin(model)
        model = model.to(self._device)
        networks = seeded_networks(
            config.model.name, *self._shapes, self._device, self._begin
        )
        plan = Plan(
            num_data=len(self._train), seed=seed, num_steps=self.num_steps,
            network=networks,
        )  # fmt: skip
        return model, build_optimizer(config.optimizer, model, plan)

    def _begin(self, model: nn.Module) -> None:
        """Give a fresh network the weights that it begins with."""
        if self._config.model.begins_trained:
            from trainers.timm_weights import begin_trained  # timm takes seconds

            state = begin_trained(self._config.model, model, self._shapes[0])
            model.load_state_dict(state)

    def _fit(
        self,
        config: RunConfig,
        model: nn.Module,
        optimizer: Optimizer,
        reporter: "_Reporter",
    ) -> None:
        trainer = _Trainer(
            Run(Path()), config, model, optimizer, self._train, self._validation,
            reporter, self._stop,
        )  # fmt: skip
        if not trainer.fit():
            raise Interruption(ON_REQUEST)

    def _judged(
        self, config: RunConfig, model: nn.Module, optimizer: Optimizer
    ) -> Score:
        """The score of what is there now, as the trainer reckons it."""
        (probabilities,) = predict_samples(
            model, optimizer, [self._validation], config.evaluation.validation_samples
        )
        check_finite(probabilities, self.num_steps)
        found = headline(probabilities, self._validation.labels.cpu().numpy())
        return Score(**{name: float(found[name]) for name in MEASURES})


class _Trainer(Trainer):
    """The trainer, without checkpoints."""

    def save(self, name: str) -> None:
        """Write nothing."""


class _Reporter(SilentReporter):
    """Tells of epochs, and ends a trial by an exception between two steps.

    Args:
        report: Told of each epoch.
        deadline: Time at which there is no more.
    """

    def __init__(self, report: Report, deadline: float) -> None:
        status = Status(state=RUNNING, created=time.time())
        super().__init__(Run(Path()), status)
        self.scores: list[Score] = []
        self.after_epoch: Callable[[], object] = lambda: None
        self._report, self._deadline = report, deadline

    def log(self, row: Mapping[str, Any]) -> None:
        """Keep an epoch's score and pass it on."""
        if row["kind"] != EPOCH:
            return
        values = {name: row[f"validation_{name}"] for name in MEASURES}
        if not all(map(math.isfinite, values.values())):
            raise DivergedError(f"The validation NLL is {values['nll']:g}.")
        self.scores.append(Score(**values))
        self.after_epoch()
        if self._report(self.scores[-1]):
            raise _Cut

    def advance(self) -> None:
        """One step is done."""
        if time.monotonic() >= self._deadline:
            raise Interruption(OUT_OF_TIME)


def _number(optimizer: Optimizer, name: str, otherwise: Any = math.nan) -> Any:
    """A setting as an optimizer has it: in its first group, or for all groups."""
    value = optimizer.param_groups[0].get(name, getattr(optimizer, name, otherwise))
    return value if isinstance(value, int | float) else otherwise


def _prior_learner(optimizer: Optimizer) -> Callable[[], object]:
    """What lets a prior precision follow the ELBO, once an epoch."""
    assert isinstance(optimizer, SampledOptimizer), "which `Asked` checks"
    return partial(learn_prior, optimizer)
