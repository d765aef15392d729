"""VOGN's arguments and settings of groups: what is out of range is named."""

import math
import re

import pytest
import torch
from torch import nn

from tests.vogn_app.optim.networks import network, normed
from vogn_app import VOGN

WRONG = [
    ("num_data", 0, "num_data must be a whole number >= 1, got 0."),
    ("num_data", 10.0, "num_data must be a whole number >= 1, got 10.0."),
    ("num_data", True, "num_data must be a whole number >= 1, got True."),
    ("num_samples", 0, "num_samples must be a whole number >= 1, got 0."),
    ("lr", 0, "lr must be a finite number in (0, inf), got 0."),
    ("lr", -0.1, "lr must be a finite number in (0, inf), got -0.1."),
    ("lr", math.nan, "lr must be a finite number in (0, inf), got nan."),
    ("momentum", 1.0, "momentum must be a finite number in [0, 1), got 1.0."),
    ("momentum", -0.1, "momentum must be a finite number in [0, 1), got -0.1."),
    ("curvature_decay", 1, "curvature_decay must be a finite number in [0, 1), got 1."),
    (
        "initial_curvature",
        0.0,
        "initial_curvature must be a finite number in (0, inf), got 0.0.",
    ),
    (
        "prior_precision",
        -1.0,
        "prior_precision must be a finite number in [0, inf), got -1.0.",
    ),
    ("temperature", 0.0, "temperature must be a finite number in (0, inf), got 0.0."),
    ("damping", math.inf, "damping must be a finite number in [0, inf), got inf."),
    (
        "augmentation_factor",
        "2",
        "augmentation_factor must be a finite number in (0, inf), got '2'.",
    ),
    ("loss_reduction", "none", "loss_reduction must be one of mean, sum, got 'none'."),
    (
        "batch_norm",
        "frozen",
        "batch_norm must be one of deterministic, sampled, got 'frozen'.",
    ),
    (
        "curvature",
        "hessian",
        "curvature must be one of empirical, fisher, got 'hessian'.",
    ),
    (
        "likelihood",
        "poisson",
        "likelihood must be one of categorical, bernoulli, gaussian, or an object with "
        "the methods draw and loss, got 'poisson'.",
    ),
    ("seed", -1, "seed must be a whole number in [0, 2^63), got -1."),
]


@pytest.mark.parametrize(("name", "value", "text"), WRONG)
def test_a_wrong_argument_is_an_error_that_names_it(name, value, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        VOGN(network(), **{"num_data": 10, name: value})


def test_num_data_must_be_given():
    with pytest.raises(TypeError, match="num_data"):
        VOGN(network())


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [w for w in WRONG if w[0] in VOGN(network(), num_data=10).defaults],
)
def test_a_wrong_setting_of_a_group_is_the_same_error(name, value, text):
    model = network()
    group = {"params": model.parameters(), name: value}
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        VOGN(model, num_data=10, params=[group])


def test_a_precision_that_could_vanish_is_an_error():
    nothing = {"curvature_decay": 0.0, "damping": 0.0}
    with pytest.raises(
        ValueError, match=r"^damping must be > 0 when curvature_decay and"
    ):
        VOGN(network(), num_data=10, prior_precision=0.0, **nothing)
    VOGN(network(), num_data=10, prior_precision=1.0, **nothing)
    with pytest.raises(
        ValueError, match=r"^damping must be > 0 when curvature_decay and"
    ):
        VOGN(normed(), num_data=10, prior_precision=1.0, **nothing)  # norms: no prior


def test_complex_parameters_are_refused():
    class Rotation(nn.Module):
        def __init__(self):
            super().__init__()
            self.phase = nn.Parameter(torch.ones(3, dtype=torch.complex64))

    with pytest.raises(
        ValueError, match=r"^params must be real, got phase of torch\.complex64\.$"
    ):
        VOGN(Rotation(), num_data=3)


def test_numbers_may_be_tensors():
    optimizer = VOGN(network(), num_data=10, lr=torch.tensor(0.5))
    assert optimizer.param_groups[0]["lr"] == 0.5
