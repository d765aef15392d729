"""What somebody wants tuned, and which runs that means. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from trainers.checks import check_int
from trainers.config import EvaluationConfig, OptimizerConfig, RunConfig
from trainers.tuning.halving import Halving
from trainers.tuning.stages import BY_ELBO, BY_SEARCH, PRIORS

MAX_TRIALS = 10_000
LEARNERS = ("vogn", "ivon", "vadam")  # with a prior precision that the ELBO can set
_PLAIN = ("num_trials", "min_epochs", "factor", "num_samples", "prior")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants tuned.

    Args:
        config: The run to tune; its epochs are a trial's most, its seed is that of all
            trials and of the search.
        given: Hyper-parameters that were chosen, and so are not searched.
        num_trials: Most trials a stage.
        min_epochs: Epochs of every trial.
        factor: Of the trials at a rung one in so many goes on.
        num_samples: Posterior samples on the validation split after each epoch.
        prior: "search", or "elbo" for a prior precision that training itself finds.
    """

    config: RunConfig
    given: Sequence[str] = ()
    num_trials: int = 20
    min_epochs: int = 1
    factor: int = 3
    num_samples: int = 16
    prior: str = BY_SEARCH

    def __post_init__(self) -> None:
        check_int("trials", self.num_trials, 1, MAX_TRIALS)
        check_int("num_samples", self.num_samples, 1, 4096)
        assert self.halving.rungs is not None, "which checks its numbers"
        if self.prior not in PRIORS:
            raise ValueError(
                f"prior must be one of {', '.join(PRIORS)}, got {self.prior!r}."
            )
        if self.prior == BY_ELBO and self.config.optimizer.name not in LEARNERS:
            raise ValueError(
                f"prior must be {BY_SEARCH} for optimizer "
                f"{self.config.optimizer.name!r}, got {BY_ELBO!r}, which is for "
                f"{', '.join(LEARNERS)}."
            )
        if not self.config.dataset.validation_fraction:
            raise ValueError(
                "validation_fraction must be > 0 for a search, which looks at nothing "
                "but the validation split, got 0."
            )
        if self.config.training.num_processes > 1:
            raise ValueError(
                "num_processes must be 1 for a search, got "
                f"{self.config.training.num_processes}."
            )

    @property
    def halving(self) -> Halving:
        """When trials are ended."""
        return Halving(
            max_epochs=self.config.training.epochs,
            min_epochs=self.min_epochs,
            factor=self.factor,
        )

    @property
    def seed(self) -> int:
        """Of all trials, and of what is suggested."""
        return self.config.training.seed

    def configured(self, optimizer: str, settings: Mapping[str, Any]) -> RunConfig:
        """The run with other hyper-parameters, or with another optimizer."""
        chosen = OptimizerConfig(name=optimizer, hyperparameters=settings)
        return replace(self.config, optimizer=chosen)

    def tried(self, optimizer: str, settings: Mapping[str, Any]) -> RunConfig:
        """The run as a trial does it: with this search's samples on validation."""
        evaluation = asdict(self.config.evaluation)
        evaluation["validation_samples"] = self.num_samples
        config = self.configured(optimizer, settings)
        return replace(config, evaluation=EvaluationConfig(**evaluation))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        rest = {name: getattr(self, name) for name in _PLAIN}
        given = list(self.given)
        return {"config": self.config.to_dict(), "given": given, **rest}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Asked":
        """What `to_dict` gave; ValueError if it is nothing of the kind."""
        try:
            rest = {name: content[name] for name in _PLAIN}
            config = RunConfig.from_dict(content["config"])
            return cls(config=config, given=tuple(content["given"]), **rest)
        except (KeyError, TypeError) as error:
            raise ValueError(f"what was asked is damaged: {error!r}") from None
