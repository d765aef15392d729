"""Tests of what the loop asks of an optimizer."""

import pytest
from torch import nn

from trainers.abilities import Sharded, TellsFigures, averages_over_ranks
from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig
from trainers.optimizers import build_optimizer
from trainers.predict import has_posterior

# Averages over the ranks, tells figures, is sharded, has a posterior.
ABILITIES = {
    "vogn": (True, False, False, True),
    "kfac": (True, True, False, False),
    "sp_ngd": (True, True, True, False),
    "adamw": (False, False, False, False),
    "sgd": (False, False, False, False),
    "lamb": (False, False, False, False),
}


def found(name, **hyperparameters):
    settings = OptimizerConfig(name=name, hyperparameters=hyperparameters)
    optimizer = build_optimizer(settings, nn.Linear(2, 3), 100, 0)
    return (
        averages_over_ranks(optimizer),
        isinstance(optimizer, TellsFigures),
        isinstance(optimizer, Sharded),
        has_posterior(optimizer),
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_its_own(name):
    assert found(name) == ABILITIES[name]


def test_without_a_posterior_vogn_still_averages_by_itself():
    assert found("vogn", sampled=False) == (True, False, False, False)
