"""Studies: sweeps over one setting that ask a question of the literature. Torch-free.

*Cold posterior*: Bayes' rule is temperature 1. Wenzel et al. (2020) found that networks
predict better at temperatures far below 1, which says that something is wrong with
prior, likelihood or inference; whether it is so here is seen from NLL, calibration and
accuracy against the temperature. *Prior precision*: how much of the result is owed to
the prior, from far weaker to far stronger than the default one.

A study is data, and so are its runs: the command line queues or trains them, the launch
form fills its fields with them, and the picture is drawn from any group of runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trainers.against import automatic, hyperparameter
from trainers.catalogue import OPTIMIZERS
from trainers.config import RunConfig
from trainers.hyperparameters import AUTO, OptimizerSpec

SEEDS = (0, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question that runs with several values of one setting answer.

    Args:
        name: What the command line calls it.
        title: What people call it.
        summary: What it asks, in a sentence.
        paper: Where the question comes from.
        axis: The setting, by flag name.
        values: Its values; multiples of the default one where `relative`.
        relative: Whether values are multiples.
        reference: The value, or multiple, that the others are compared with.
        reference_title: What that one is called.
        below: Whether only smaller values are its rivals.
        effect: What it means that a rival is better beyond the spread of seeds.
        no_effect: What it means that the best one is worse beyond it.
        rival_title: What a rival is called.
        seeds: Seeds that each value is run with.
    """

    name: str
    title: str
    summary: str
    paper: str
    axis: str
    values: Sequence[float]
    relative: bool = False
    reference: float = 1.0
    reference_title: str
    below: bool = False
    effect: str
    no_effect: str
    rival_title: str
    seeds: Sequence[int] = SEEDS

    def fits(self, spec: OptimizerSpec) -> bool:
        """Whether an optimizer has a posterior with this setting."""
        return spec.bayesian and self.axis in spec.defaults()

    @property
    def optimizers(self) -> list[str]:
        """Names of the optimizers that it fits."""
        return [name for name, spec in OPTIMIZERS.items() if self.fits(spec)]

    def values_for(self, config: RunConfig) -> list[float | str]:
        """The values for a run, multiples reckoned to three digits.

        Args:
            config: The run; its optimizer and the number of training examples count.

        Returns:
            Numbers, and for the multiple 1 the default itself, which may be "auto".

        Raises:
            ValueError: If the study does not fit its optimizer, or the data cannot be
                counted.
        """
        self.check_fits(config.optimizer.name)
        if not self.relative:
            return [*self.values]
        unit = self.unit(config)
        values: list[Any] = [float(f"{value * unit:.3g}") for value in self.values]
        if 1.0 in self.values:
            values[self.values.index(1.0)] = self._default(config)
        return values

    def _default(self, config: RunConfig) -> Any:
        item = hyperparameter(config.optimizer.name, self.axis)
        assert item is not None
        return item.default

    def unit(self, config: RunConfig) -> float:
        """What the multiples are of: the automatic value, or else the default."""
        item = hyperparameter(config.optimizer.name, self.axis)
        assert item is not None
        found = self._default(config)
        if found == AUTO:
            found = automatic(item, config)
        if not found:
            raise ValueError(
                f"{self.axis} of {config.optimizer.name} must have a known value to "
                f"take multiples of for study {self.name!r}, got {item.automatic!r}."
            )
        return float(found)

    def reference_for(self, config: RunConfig) -> float:
        """The value of the setting that others are compared with."""
        return self.reference * (self.unit(config) if self.relative else 1.0)

    def check_fits(self, optimizer: str) -> None:
        """Refuse an optimizer without such a posterior; ValueError names those with."""
        if optimizer not in self.optimizers:
            raise ValueError(
                f"optimizer must be one of {', '.join(self.optimizers)} for study "
                f"{self.name!r}, got {optimizer!r}."
            )


_STUDIES = (
    Study(
        name="cold_posterior",
        title="Cold posterior",
        summary="Do predictions get better below temperature 1, where Bayes' rule is?",
        paper="Wenzel et al. (2020), How Good is the Bayes Posterior in Deep Neural "
        "Networks Really?, arXiv:2002.02405",
        axis="temperature",
        values=(0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        reference_title="Bayes",
        below=True,
        effect="a cold posterior effect",
        no_effect="no cold posterior effect",
        rival_title="colder",
    ),
    Study(
        name="prior_precision",
        title="Prior precision",
        summary="How much do predictions owe to the prior, from a hundredth of the "
        "default precision to a hundred times it?",
        paper="Fortuin et al. (2022), Bayesian Neural Network Priors Revisited, "
        "arXiv:2102.06571",
        axis="prior_precision",
        values=(0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0),
        relative=True,
        reference_title="default",
        effect="another prior predicts better",
        no_effect="the default prior predicts best",
        rival_title="other",
    ),
)
STUDIES: dict[str, Study] = {study.name: study for study in _STUDIES}


def find_study(name: str) -> Study:
    """Look up a study; ValueError names the known ones."""
    if name not in STUDIES:
        raise ValueError(f"study must be one of {', '.join(STUDIES)}, got {name!r}.")
    return STUDIES[name]


def study_of(axis: str) -> Study | None:
    """The study of a setting, None where there is none."""
    return next((each for each in STUDIES.values() if each.axis == axis), None)


def study_configs(
    study: Study, bases: Sequence[RunConfig], values: Sequence[Any] | None = None
) -> list[RunConfig]:
    """The runs of a study.

    Args:
        study: The study.
        bases: Runs, of which each becomes one with every value; those of optimizers
            without such a setting stay as they are, to compare with.
        values: Values instead of the study's own.

    Returns:
        Different configurations: all values of the first base, then of the next.

    Raises:
        ValueError: If the study fits none of the bases, or a value is not allowed.
    """
    if not any(study.fits(OPTIMIZERS[base.optimizer.name]) for base in bases):
        study.check_fits(bases[0].optimizer.name)
    made: list[RunConfig] = []
    for base in bases:
        found = _with_values(study, base, values)
        made += [config for config in found if config not in made]
    return made


def _with_values(
    study: Study, base: RunConfig, values: Sequence[Any] | None
) -> list[RunConfig]:
    if not study.fits(OPTIMIZERS[base.optimizer.name]):
        return [base]
    own = base.optimizer.hyperparameters
    return [
        replace(
            base,
            optimizer=replace(
                base.optimizer, hyperparameters={**own, study.axis: value}
            ),
        )
        for value in values or study.values_for(base)
    ]
