"""The Laplace approximation as data: its defaults are the constructor's."""

import inspect

import pytest
from torch import nn

from tests.trainers.building import built
from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig
from trainers.curved import LAPLACE
from trainers.first_order import ADAMW
from vogn_app import Laplace


def test_it_is_a_bayesian_method_after_training():
    assert LAPLACE.bayesian
    assert LAPLACE.family == "post_hoc"
    assert OPTIMIZERS["laplace"] is LAPLACE


def test_its_defaults_are_the_constructor_s_and_adamw_s():
    taken = inspect.signature(Laplace).parameters
    for name, value in LAPLACE.defaults().items():
        if name not in ("beta1", "beta2"):
            assert taken[name].default == value
    assert taken["betas"].default == (0.9, 0.999)
    assert LAPLACE.defaults().items() >= ADAMW.defaults().items()


@pytest.mark.parametrize("name", ["prior_precision", "temperature"])
def test_what_must_be_positive_is(name):
    with pytest.raises(ValueError, match=rf"{name} must be a number in \(0, "):
        LAPLACE.validated({name: 0})


def test_a_run_builds_it():
    values = LAPLACE.validated({"subset": "all", "structure": "diagonal", "beta1": 0.8})
    config = OptimizerConfig(name="laplace", hyperparameters=values)
    found = built(config, nn.Linear(2, 2))
    assert isinstance(found, Laplace)
    assert found.param_groups[0]["betas"] == (0.8, 0.999)
    assert found.structure == "diagonal"
