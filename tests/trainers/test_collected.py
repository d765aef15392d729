"""Tests of the optimizers that collect a posterior, as data and as built by a run."""

import inspect

import pytest

from tests.trainers.building import built
from trainers.collected import MC_DROPOUT, SWAG
from trainers.config import OptimizerConfig
from trainers.first_order import ADAMW, SGD
from trainers.networks import lenet5, mlp, resnet20
from vogn_app import SWAG as SWAGOptimizer
from vogn_app import MCDropout


@pytest.mark.parametrize(
    ("spec", "made"), [(SWAG, SWAGOptimizer), (MC_DROPOUT, MCDropout)]
)
def test_defaults_are_those_of_the_constructors(spec, made):
    own = inspect.signature(made).parameters
    values = spec.defaults()
    if "beta1" in values:
        values["betas"] = (values.pop("beta1"), values.pop("beta2"))
    assert {name: own[name].default for name in values} == values
    assert spec.bayesian


def test_they_are_sgd_and_adamw_but_for_what_is_theirs():
    for spec, plain, own in (
        (SWAG, SGD, {"tail_lr", "start", "max_rank", "interval", "scale"}),
        (MC_DROPOUT, ADAMW, {"rate"}),
    ):
        shared = spec.defaults().keys() - own
        assert shared == plain.defaults().keys() - {"nesterov"}
        for name in shared:
            assert spec.defaults()[name] == plain.defaults()[name]


def test_a_run_tells_swag_how_long_it_is():
    config = OptimizerConfig(name="swag", hyperparameters={"max_rank": 4})
    optimizer = built(config, mlp((2,), 3), num_steps=40)
    assert (optimizer.num_steps, optimizer.interval) == (40, 2)
    with pytest.raises(ValueError, match="must give SWAG at least 2 steps, got 1"):
        built(config, mlp((2,), 3), num_steps=1)


@pytest.mark.parametrize(
    ("network", "shape", "layers"),
    [
        (mlp, (2,), ["3", "5"]),
        (lenet5, (1, 28, 28), ["9", "11"]),  # behind the two hidden dense layers
        (resnet20, (3, 32, 32), ["14"]),  # before the last layer
    ],
)
def test_dropout_is_where_the_networks_have_dense_layers(network, shape, layers):
    config = OptimizerConfig(name="mc_dropout", hyperparameters={"rate": 0.2})
    optimizer = built(config, network(shape, 10))
    assert optimizer.rates == {f"{name}.weight": 0.2 for name in layers}
