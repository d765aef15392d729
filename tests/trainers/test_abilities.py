"""Tests of what the loop asks of an optimizer."""

import pytest
from torch import nn

from tests.trainers.building import built
from trainers.abilities import (
    Collecting,
    Finishing,
    OfMembers,
    Sampled,
    Scheduled,
    Sharded,
    TellsFigures,
    averages_over_ranks,
    has_posterior,
)
from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig

KINDS = {
    "sampled": Sampled,
    "collecting": Collecting,
    "scheduled": Scheduled,
    "finishing": Finishing,
    "of members": OfMembers,
    "sharded": Sharded,
    "tells figures": TellsFigures,
}
ALONE, COLLECTS, MEMBERS = {"averages"}, {"collecting"}, {"sharded", "of members"}
ABILITIES = {
    "vogn": ALONE | {"sampled", "posterior"},
    "noisy_kfac": ALONE | {"sampled", "posterior", "tells figures"},
    "ivon": ALONE | {"sampled", "posterior"},
    "vadam": ALONE | {"sampled", "posterior"},
    "ogn": ALONE | {"sampled"},
    "kfac": ALONE | {"tells figures"},
    "sp_ngd": ALONE | {"tells figures", "sharded"},
    "ensemble": ALONE | COLLECTS | MEMBERS | {"posterior"},
    "multi_vogn": ALONE | COLLECTS | MEMBERS | {"posterior"},
    "snapshot": COLLECTS | {"scheduled"},
    "swag": COLLECTS | {"scheduled", "finishing"},
    "sgld": COLLECTS | {"scheduled"},
    "sghmc": COLLECTS | {"scheduled"},
    "mc_dropout": COLLECTS | {"posterior"},
    "laplace": COLLECTS | {"finishing"},
    "adamw": set(),
    "sgd": set(),
    "lamb": set(),
}


def found(name, **hyperparameters):
    settings = OptimizerConfig(name=name, hyperparameters=hyperparameters)
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    optimizer = built(settings, model, 100, 0)
    abilities = {name for name, kind in KINDS.items() if isinstance(optimizer, kind)}
    abilities |= {"averages"} if averages_over_ranks(optimizer) else set()
    return abilities | ({"posterior"} if has_posterior(optimizer) else set())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_its_own(name):
    assert found(name) == ABILITIES[name]


def test_the_catalogue_calls_bayesian_who_has_a_posterior_in_the_end():
    assert {name: spec.bayesian for name, spec in OPTIMIZERS.items()} == {
        name: bool(ABILITIES[name] & {"posterior", "collecting"}) for name in OPTIMIZERS
    }


def test_without_a_posterior_vogn_still_averages_by_itself():
    assert found("vogn", sampled=False) == {"averages", "sampled"}
