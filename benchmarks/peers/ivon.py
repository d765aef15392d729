"""IVON from its authors' package `ivon-opt`, which is optional and imported when used.

Shen et al. (2024), Variational Learning is Effective for Large Deep Networks,
arXiv:2402.17641.
"""

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from benchmarks.peers.training import Predictions, fit, fresh_model, measured
from benchmarks.tasks import Problem
from trainers.config import TrainingConfig
from trainers.predict import predict

SETTINGS = {"lr": 0.1, "hess_init": 0.1}
INSTALL = "pip install -e '.[bench]'"


def is_installed() -> bool:
    """Whether the package is there."""
    return find_spec("ivon") is not None


def build_ivon(model: nn.Module, num_data: int, **settings: float) -> Any:
    """IVON over a network's parameters; all other settings are its defaults."""
    return import_module("ivon").IVON(model.parameters(), ess=num_data, **settings)


def train_ivon(
    model: nn.Module, optimizer: Any, inputs: Tensor, labels: Tensor
) -> None:
    """A step of IVON with one draw of the weights."""
    optimizer.zero_grad()
    with optimizer.sampled_params(train=True):
        F.cross_entropy(model(inputs), labels).backward()
    optimizer.step()


def ivon(problem: Problem, training: TrainingConfig) -> Predictions:
    """Train, and predict with draws that are the same for all splits."""
    model = fresh_model(problem, training.seed)  # also seeds IVON's noise
    optimizer = build_ivon(model, len(problem.train), **SETTINGS)
    probabilities, cost = measured(
        partial(fit, model, optimizer, problem.train, training, train_ivon),
        partial(draw, model, optimizer, problem),
        lambda: 2 * sum(p.numel() for p in model.parameters()),  # means and Hessian
    )
    settings = {**SETTINGS, "ess": len(problem.train)}
    return Predictions(probabilities, settings, cost)


def draw(model: nn.Module, optimizer: Any, problem: Problem) -> list[NDArray[Any]]:
    """Predictions [S, N, C] with the same draws for all splits."""
    draws = []
    for _ in range(problem.task.num_samples):
        with optimizer.sampled_params():
            draws.append(predict(model, problem.judged))
    return [np.stack(part) for part in zip(*draws, strict=True)]
