"""Tests of the optimizers that keep weights, as data."""

import inspect

import pytest

import vogn_app
from trainers.catalogue import OPTIMIZERS
from trainers.monte_carlo import SGHMC, SGLD, SHORTEST_CYCLE, SNAPSHOT
from vogn_app.optim import snapshot

CLASSES = {
    "sgld": vogn_app.SGLD,
    "sghmc": vogn_app.SGHMC,
    "snapshot": vogn_app.SnapshotEnsemble,
}
EVERY = pytest.mark.parametrize("spec", [SGLD, SGHMC, SNAPSHOT], ids=list(CLASSES))


@EVERY
def test_defaults_are_those_of_the_library(spec):
    assert OPTIMIZERS[spec.name] is spec
    parameters = inspect.signature(CLASSES[spec.name]).parameters
    defaults = {name: parameters[name].default for name in spec.defaults()}
    assert defaults == spec.defaults()


@EVERY
def test_all_have_a_posterior(spec):
    assert spec.bayesian
    assert spec.family == ("ensembles" if spec is SNAPSHOT else "sampling")


def test_a_cold_chain_is_allowed_and_a_whole_cycle_of_exploration_is_not():
    assert SGLD.validated({"temperature": 0})["temperature"] == 0.0
    with pytest.raises(ValueError, match=r"exploration must be a number in \[0, 1\)"):
        SGHMC.validated({"exploration": 1})


def test_the_shortest_cycle_is_the_librarys():
    assert SHORTEST_CYCLE == snapshot.SHORTEST_CYCLE
