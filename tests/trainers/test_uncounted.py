"""Tests of `trainers/uncounted.py`."""

import pytest
from torch import nn

from tests.trainers.building import built
from tests.trainers.examples import config
from trainers.abilities import Finishing
from trainers.catalogue import OPTIMIZERS
from trainers.uncounted import uncounted


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_tells_of_those_that_have_something_to_finish(name):
    chosen = config(optimizer=name, dataset="digits")
    optimizer = built(chosen.optimizer, nn.Linear(2, 2))
    assert bool(uncounted(chosen)) == isinstance(optimizer, Finishing)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "with as many backward passes as there are classes."),
        ({"curvature": "fisher"}, "with a backward pass."),
        ({"structure": "full"}, "the more weights the layer has."),
    ],
)
def test_it_says_what_laplace_does_at_the_end(values, told):
    chosen = config(optimizer={"name": "laplace", "hyperparameters": values})
    text = uncounted(chosen)
    assert text.startswith("Not counted: Laplace's pass over the training data at ")
    assert text.endswith(told)
