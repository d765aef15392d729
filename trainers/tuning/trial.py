"""What one trial was and gave, as a line of JSON. Torch-free."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

COMPLETE, CUT, DIVERGED = "complete", "cut", "diverged"
STATES = (COMPLETE, CUT, DIVERGED)


@dataclass(frozen=True, kw_only=True)
class Score:
    """What the validation split says after an epoch."""

    nll: float
    accuracy: float
    ece: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial that is over.

    Args:
        stage: Name of its stage.
        number: Within the stage, from 0.
        parameters: The hyper-parameters that were tried, over those of the stage.
        state: "complete", "cut" by halving, or "diverged".
        scores: One an epoch.
        seconds: That it took.
        title: What it tries, in words, where that is a step of a recipe.
        found: Hyper-parameters that the training itself found.
        message: Of what diverged.
    """

    stage: str
    number: int
    parameters: Mapping[str, Any]
    state: str
    scores: Sequence[Score]
    seconds: float = 0.0
    title: str = ""
    found: Mapping[str, float] = field(default_factory=dict)
    message: str = ""

    @property
    def nll(self) -> float:
        """After the last epoch, which is what a run leaves; infinite if it diverged."""
        lost = self.state == DIVERGED or not self.scores
        return math.inf if lost else self.scores[-1].nll

    @property
    def epochs(self) -> int:
        """How many it trained to their end."""
        return len(self.scores)

    @property
    def settings(self) -> dict[str, Any]:
        """The hyper-parameters to train with again: as tried, or as found."""
        return {**self.parameters, **self.found}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data, the scores as a list a measure."""
        content = {**asdict(self), "epochs": self.epochs}
        del content["scores"]
        for name in ("nll", "accuracy", "ece"):
            content[name] = [getattr(score, name) for score in self.scores]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """What `to_dict` gave.

        Raises:
            ValueError: If it is nothing of the kind.
        """
        try:
            rest = dict(content)
            columns = [rest.pop(name) for name in ("nll", "accuracy", "ece")]
            epochs = rest.pop("epochs")
            scores = [
                Score(nll=nll, accuracy=accuracy, ece=ece)
                for nll, accuracy, ece in zip(*columns, strict=True)
            ]
            trial = cls(scores=tuple(scores), **rest)
            fits = trial.state in STATES and trial.epochs == epochs
        except (TypeError, KeyError) as error:
            raise ValueError(f"The line is no trial: {error}") from None
        if not fits:
            raise ValueError(f"The line is no trial: {dict(content)!r}.")
        return trial


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The best of the trials that trained to their end, the first of equals."""
    complete = [trial for trial in trials if trial.state == COMPLETE]
    return min(complete, key=lambda trial: trial.nll, default=None)
