"""Deep ensemble: several networks by AdamW, their probabilities averaged.

Lakshminarayanan et al. (2017), Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles, arXiv:1612.01474. The members differ in initial weights and batch
order; no two ensembles share a member.
"""

from dataclasses import replace

import numpy as np

from benchmarks.peers.training import Predictions, product_method
from benchmarks.tasks import Problem
from trainers.config import TrainingConfig

NUM_MEMBERS = 5


def member_seeds(seed: int) -> list[int]:
    """Seeds of an ensemble's members: 0-4 for seed 0, 5-9 for seed 1."""
    return [NUM_MEMBERS * seed + member for member in range(NUM_MEMBERS)]


def ensemble(problem: Problem, training: TrainingConfig) -> Predictions:
    """Train all members one after the other; each is a sample [S = members, N, C]."""
    members = [
        product_method(problem, replace(training, seed=seed), "adamw")
        for seed in member_seeds(training.seed)
    ]
    parts = zip(*(member.probabilities for member in members), strict=True)
    settings = {**members[0].settings, "members": NUM_MEMBERS}
    return Predictions([np.stack(part) for part in parts], settings)
