"""Tests of what the loop asks of an optimizer."""

import pytest
from torch import nn

from trainers.abilities import (
    Sampled,
    Sharded,
    TellsFigures,
    averages_over_ranks,
    has_posterior,
)
from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig
from trainers.optimizers import build_optimizer

# Averages over the ranks, tells figures, is sharded, is sampled, has a posterior.
ABILITIES = {
    "vogn": (True, False, False, True, True),
    "noisy_kfac": (True, True, False, True, True),
    "kfac": (True, True, False, False, False),
    "sp_ngd": (True, True, True, False, False),
    "adamw": (False, False, False, False, False),
    "sgd": (False, False, False, False, False),
    "lamb": (False, False, False, False, False),
}


def found(name, **hyperparameters):
    settings = OptimizerConfig(name=name, hyperparameters=hyperparameters)
    optimizer = build_optimizer(settings, nn.Linear(2, 3), 100, 0)
    return (
        averages_over_ranks(optimizer),
        isinstance(optimizer, TellsFigures),
        isinstance(optimizer, Sharded),
        isinstance(optimizer, Sampled),
        has_posterior(optimizer),
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_its_own(name):
    assert found(name) == ABILITIES[name]


def test_the_catalogue_calls_bayesian_who_has_a_posterior():
    assert {name: found(name)[-1] for name in OPTIMIZERS} == {
        name: spec.bayesian for name, spec in OPTIMIZERS.items()
    }


def test_without_a_posterior_vogn_still_averages_by_itself():
    assert found("vogn", sampled=False) == (True, False, False, True, False)
