"""One stage's trials, one after the other: Optuna says what to try and what to end.

What Optuna suggests depends on the trials before, and on a seed that depends on stage
and number alone. So a search that goes on suggests what it would have: the trials that
are known are told to Optuna again in place of trainings, epoch by epoch, and one that
was interrupted is not known. A storage of Optuna's own would keep what the interrupted
trial had reported, and count it.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainers.tuning.halving import Halving
from trainers.tuning.spaces import Dimension
from trainers.tuning.stages import Candidate, Stage
from trainers.tuning.trial import COMPLETE, DIVERGED, Score, Trial

if TYPE_CHECKING:
    import optuna

# Takes an epoch's score and says whether the trial is to be ended.
Report = Callable[[Score], bool]
# Trains a trial: its number, its title, what it tries, and whom it reports to.
Train = Callable[[int, str, Mapping[str, Any], Report], Trial]

MISSING = (
    "tune needs Optuna, which is not installed: pip install 'optuna>=4', or in a "
    "checkout pip install -e '.[tune]'."
)


def require_optuna() -> Any:
    """Optuna, told to be quiet.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ValueError(MISSING) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class Search:
    """The trials of a stage.

    Args:
        stage: What is searched.
        halving: When trials are ended.
        seed: Of all suggestions.
        known: Trials of the stage that are over, in order.
    """

    def __init__(
        self, stage: Stage, halving: Halving, seed: int, known: Sequence[Trial] = ()
    ) -> None:
        self.stage, self.halving, self.seed = stage, halving, seed
        self.trials: list[Trial] = []
        self._known = list(known)
        self._optuna = require_optuna()
        self._study: optuna.Study = self._optuna.create_study(
            direction="minimize",
            sampler=self._optuna.samplers.RandomSampler(seed=0),  # see `_suggested`
            pruner=self._optuna.pruners.SuccessiveHalvingPruner(
                min_resource=halving.min_epochs, reduction_factor=halving.factor
            ),
        )
        self._distributions = {d.name: self._distribution(d) for d in stage.space}

    def run(self, train: Train, done: Callable[[Trial], None]) -> list[Trial]:
        """Try what there is to try.

        Args:
            train: Called for each trial that is not known.
            done: Told of each trial that it trained.

        Returns:
            All trials of the stage.
        """
        while len(self.trials) < self.stage.num_trials:
            if self.stage.is_enough(self.trials):
                break
            number = len(self.trials)
            if number < len(self._known):
                self.trials.append(self._repeat(self._known[number]))
            else:
                self.trials.append(self._new(number, train))
                done(self.trials[-1])
        return self.trials

    def _repeat(self, trial: Trial) -> Trial:
        """Tell Optuna of a trial as if it had just been trained."""
        inside = {k: v for k, v in trial.parameters.items() if k in self._distributions}
        ours = self._suggested(trial.number, inside)
        report = _Reports(ours, self.halving)
        for score in trial.scores:
            report(score)
        self._tell(ours, trial)
        return trial

    def _new(self, number: int, train: Train) -> Trial:
        candidates = self.stage.candidates
        chosen = candidates[number] if number < len(candidates) else Candidate()
        inside = {
            k: v for k, v in chosen.parameters.items() if k in self._distributions
        }
        ours = self._suggested(number, inside)
        parameters = {**chosen.parameters, **ours.params}
        halves = bool(self._distributions)  # a ladder of candidates has none to beat
        report: Report = _Reports(ours, self.halving) if halves else _never
        trial = train(number, chosen.title, parameters, report)
        self._tell(ours, trial)
        return trial

    def _suggested(self, number: int, chosen: Mapping[str, Any]) -> "optuna.Trial":
        """Ask for what to try, with what is chosen already."""
        few = max(3, self.stage.num_trials // 4)
        seed = zlib.crc32(f"{self.seed} {self.stage.name} {number}".encode())
        sampler = self._optuna.samplers.TPESampler(seed=seed, n_startup_trials=few)
        self._study.sampler = sampler
        self._study.enqueue_trial(dict(chosen))
        return self._study.ask(self._distributions)

    def _tell(self, ours: "optuna.Trial", trial: Trial) -> None:
        states = self._optuna.trial.TrialState
        if trial.state == COMPLETE:
            self._study.tell(ours, trial.nll)
            return
        if trial.state == DIVERGED:  # stands at its next rung as the worst
            ours.report(float("inf"), self.halving.next_rung(trial.epochs + 1))
            ours.should_prune()
        self._study.tell(ours, state=states.PRUNED)

    def _distribution(self, dimension: Dimension) -> Any:
        kinds = self._optuna.distributions
        if dimension.choices:
            return kinds.CategoricalDistribution(dimension.choices)
        if dimension.whole:
            low, high = round(dimension.low), round(dimension.high)
            return kinds.IntDistribution(low, high, log=dimension.log)
        return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


class _Reports:
    """Tells Optuna of a trial's epochs.

    Args:
        trial: Optuna's.
        halving: When trials are ended: never after the last epoch.
    """

    def __init__(self, trial: "optuna.Trial", halving: Halving) -> None:
        self._trial, self._halving, self._epoch = trial, halving, 0

    def __call__(self, score: Score) -> bool:
        """Tell of an epoch's score; returns whether the trial is to be ended."""
        self._epoch += 1
        if self._epoch >= self._halving.max_epochs:
            return False
        self._trial.report(score.nll, self._epoch)
        return self._trial.should_prune()


def _never(score: Score) -> bool:  # noqa: ARG001
    return False
