"""Studies of seconds, and trials that were never trained."""

from trainers.config import (
    DatasetConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
)
from trainers.tuning.asked import Asked
from trainers.tuning.spaces import Dimension
from trainers.tuning.stages import SEARCH, Stage
from trainers.tuning.trial import COMPLETE, Score, Trial

LR = Dimension(name="lr", low=1e-4, high=1e-1)


def config(optimizer="vogn", epochs=3, fraction=0.1, **values):
    return RunConfig(
        dataset=DatasetConfig(name="moons", validation_fraction=fraction),
        model=ModelConfig(name="mlp"),
        optimizer=OptimizerConfig(name=optimizer, hyperparameters=values),
        training=TrainingConfig(epochs=epochs, batch_size=240),
        evaluation=EvaluationConfig(ood="none"),
    )


def asked(optimizer="vogn", epochs=3, **more):
    options = {"num_trials": 3, "num_samples": 2, "factor": 2} | more
    return Asked(config=config(optimizer, epochs), **options)


def score(nll, accuracy=0.9):
    return Score(nll=nll, accuracy=accuracy, ece=0.1)


def trial(number=0, nlls=(0.5, 0.4, 0.3), state=COMPLETE, stage=SEARCH, **more):
    values = {"parameters": {"lr": 10.0 ** -(1 + number % 4)}} | more
    scores = tuple(score(nll) for nll in nlls)
    return Trial(stage=stage, number=number, state=state, scores=scores, **values)


def stage(**more):
    options = {
        "name": SEARCH, "title": "AdamW", "optimizer": "adamw", "settings": {"lr": 0.1},
        "space": (LR,), "num_trials": 8,
    } | more  # fmt: skip
    return Stage(**options)


class Stop:
    """Asks to stop after so many questions."""

    def __init__(self, after=None):
        self.after, self.questions = after, 0

    @property
    def requested(self):
        self.questions += 1
        return self.after is not None and self.questions > self.after
