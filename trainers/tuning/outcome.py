"""What a search found, in numbers, in words and as a configuration. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainers.catalogue import optimizer_spec
from trainers.config import RunConfig
from trainers.tuning.asked import Asked
from trainers.tuning.stages import MATCH, NOISE, TARGET, Stage
from trainers.tuning.trial import COMPLETE, CUT, Trial, best_of

# What the stages of VOGN's recipe train, in words.
_METHODS = {TARGET: "AdamW", MATCH: "OGN"}


@dataclass(frozen=True)
class Played:
    """A stage, and its trials so far."""

    stage: Stage
    trials: Sequence[Trial]

    @property
    def best(self) -> Trial | None:
        """The best trial that came to its end."""
        return best_of(self.trials)

    @property
    def method(self) -> str:
        """What was trained, in words."""
        other = optimizer_spec(self.stage.optimizer).title
        return _METHODS.get(self.stage.name, other)


def winner(played: Sequence[Played]) -> tuple[Stage, Trial] | None:
    """The best trial of what was to be tuned, the later one of equals.

    Without noise OGN is no posterior: it counts only while there is nothing else.
    """
    found = [(each.stage, each.best) for each in played if each.stage.name != TARGET]
    with_best = [(stage, best) for stage, best in found if best is not None]
    tuned = [pair for pair in with_best if pair[0].name != MATCH] or with_best
    return min(reversed(tuned), key=lambda pair: pair[1].nll, default=None)


def settings_of(stage: Stage, trial: Trial) -> dict[str, Any]:
    """All hyper-parameters to train a trial with again."""
    return {**stage.settings, **trial.settings}


def best_config(asked: Asked, played: Sequence[Played]) -> RunConfig | None:
    """The run to launch; None while no trial came to its end."""
    found = winner(played)
    if found is None:
        return None
    stage, trial = found
    return asked.configured(stage.optimizer, settings_of(stage, trial))


def words(parameters: Mapping[str, Any]) -> str:
    """Hyper-parameters such as "lr 0.01, temperature 0.1"."""
    return ", ".join(
        f"{name.replace('_', ' ')} {shown(value)}" for name, value in parameters.items()
    )


def shown(value: Any) -> str:
    """A hyper-parameter's value, rounded."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def heading(stage: Stage, place: int, count: int) -> str:
    """The line that begins a stage."""
    trials = f"{stage.num_trials} trial{'s' * (stage.num_trials > 1)}"
    least = "at most " * (stage.name in (MATCH, NOISE))
    return f"Stage {place} of {count}: {stage.title}, {least}{trials}"


def line(trial: Trial, best: Trial | None) -> str:
    """The line of a trial that is over.

    Args:
        trial: The trial.
        best: The best of its stage so far, itself perhaps.
    """
    what = words(trial.parameters)
    if trial.title:
        what = f"{trial.title}: {what}" if what else trial.title
    epochs = f"{trial.epochs} epoch{'s' * (trial.epochs != 1)}"
    result = f"NLL {trial.scores[-1].nll:.4f}" if trial.scores else "no epoch"
    if trial.state == CUT:
        epochs += ", ended early"
    elif trial.state != COMPLETE:
        result = "diverged"
    record = ""
    if best is not None:
        record = " (best)" if best is trial else f" (best {best.nll:.4f})"
    learnt = f", found {words(trial.found)}" if trial.found else ""
    return f"  {trial.number:>3}  {what}; {epochs}; {result}{record}{learnt}"


def rows(played: Sequence[Played]) -> list[tuple[str, ...]]:
    """The table at the end: a method's best a row, those with noise as one."""
    found = []
    last = winner(played)
    for each in played:
        best = each.best
        kept = each.stage.name in _METHODS or (
            last is not None and last[0].name == each.stage.name
        )
        if best is None or not kept:
            continue
        score = best.scores[-1]
        count = str(sum(len(p.trials) for p in played if p.method == each.method))
        figures = (f"{n:.4f}" for n in (score.nll, score.accuracy, score.ece))
        found.append((each.method, count, *figures, words(_tuned(played, each, best))))
    return found


def _tuned(played: Sequence[Played], own: Played, best: Trial) -> dict[str, Any]:
    """What of a trial's settings was searched, in its stage or before."""
    settings = settings_of(own.stage, best)
    stages = played[: played.index(own) + 1]
    names = [
        dimension.name
        for each in stages
        if each.stage.optimizer == own.stage.optimizer
        for dimension in each.stage.space
    ]
    every = (*names, *best.settings)
    return {name: settings[name] for name in every if name in settings}


COLUMNS = ("method", "trials", "NLL", "accuracy", "ECE", "best with")
