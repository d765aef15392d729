"""Tests of VOGN's siblings, as data."""

import inspect

import pytest

from trainers.natural import VOGN
from trainers.variational import IVON, OGN, VADAM
from vogn_app import IVON as IVONOptimizer
from vogn_app import Vadam


def test_who_learns_a_distribution():
    assert [spec.bayesian for spec in (IVON, VADAM, OGN)] == [True, True, False]
    assert not any(spec.keeps_velocity for spec in (IVON, VADAM, OGN))


@pytest.mark.parametrize(("spec", "optimizer"), [(IVON, IVONOptimizer), (VADAM, Vadam)])
def test_defaults_and_what_auto_stands_for_are_those_of_the_library(spec, optimizer):
    parameters = inspect.signature(optimizer).parameters
    for item in spec.hyperparameters:
        assert (parameters[item.name].default or 0) == item.default
        assert bool(item.automatic) == (item.name in optimizer._rules)
        if item.name in optimizer._rules and "/ training" in item.automatic:
            number, _ = item.automatic.split(" / ")
            assert optimizer._rules[item.name](1.0) == float(number)


def test_ogn_has_vogns_settings_but_for_those_of_the_noise():
    ours, theirs = OGN.defaults(), VOGN.defaults()
    assert ours.items() <= theirs.items()
    assert theirs.keys() - ours.keys() == {
        "temperature", "temperature_warmup", "initial_temperature",
        "augmentation_factor", "num_samples", "sampled", "batch_norm",
    }  # fmt: skip
