"""Monte-Carlo dropout: AdamW and dropout that stays on when predicting.

Gal and Ghahramani (2016), Dropout as a Bayesian Approximation, arXiv:1506.02142. Every
pass draws a mask for each example anew.
"""

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from benchmarks.peers.training import Predictions, fit_product, fresh_model, optimizer_of
from benchmarks.tasks import Problem
from trainers.config import OptimizerConfig, TrainingConfig
from trainers.predict import predict

RATE = 0.3
ADAMW = OptimizerConfig(name="adamw", hyperparameters={"lr": 1e-3})


class AlwaysDropout(nn.Dropout):
    """Dropout in train and in eval mode."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """Drop and scale up at random, elementwise."""
        return F.dropout(input, self.p, training=True)


def with_dropout(model: nn.Module) -> nn.Sequential:
    """Put dropout behind every hidden dense layer, after its activation.

    Args:
        model: A network whose outermost layers run one after the other, as those of
            `trainers.models` do.

    Returns:
        A network of the same layers. Where there is no hidden dense layer, as in
        ResNet-20, the one dropout is before the last layer.

    Raises:
        ValueError: The model is no sequence of layers.
    """
    if not isinstance(model, nn.Sequential):
        kind = type(model).__name__
        raise ValueError(f"model must be a torch.nn.Sequential, got {kind}.")
    layers = list(model)
    hidden = {
        at + 1 for at, layer in enumerate(layers[:-1]) if isinstance(layer, nn.Linear)
    }
    places = hidden or {len(layers) - 2}
    parts = (
        [layer, AlwaysDropout(RATE)] if at in places else [layer]
        for at, layer in enumerate(layers)
    )
    return nn.Sequential(*(layer for part in parts for layer in part))


def mc_dropout(problem: Problem, training: TrainingConfig) -> Predictions:
    """Train with dropout, and predict with it as often as the task says."""
    model = with_dropout(fresh_model(problem, training.seed))
    optimizer = optimizer_of(ADAMW, model, problem, training)
    fit_product(model, optimizer, problem.train, training)
    passes = [predict(model, problem.judged) for _ in range(problem.task.num_samples)]
    probabilities = [np.stack(part) for part in zip(*passes, strict=True)]
    settings = {**ADAMW.hyperparameters, "dropout": RATE}
    return Predictions(list(probabilities), settings)
