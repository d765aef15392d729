"""Tests of optimizers by name."""

import pytest
from timm.optim.lamb import Lamb
from torch import nn
from torch.optim import SGD, AdamW

from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig
from trainers.optimizers import build_optimizer
from vogn_app import KFAC, SPNGD, VOGN

CLASSES = {
    "vogn": VOGN,
    "kfac": KFAC,
    "sp_ngd": SPNGD,
    "adamw": AdamW,
    "sgd": SGD,
    "lamb": Lamb,
}


def build(name, **hyperparameters):
    settings = OptimizerConfig(name=name, hyperparameters=hyperparameters)
    return build_optimizer(settings, nn.Linear(2, 3), 100, 5)


def test_every_optimizer_of_the_catalogue_is_built():
    assert list(CLASSES) == list(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_name_decides_the_class(name):
    optimizer = build(name)
    assert type(optimizer) is CLASSES[name]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_hyper_parameter_arrives(name):
    values = {
        item.name: item.validated(0.5)
        for item in OPTIMIZERS[name].hyperparameters
        if item.kind == "float"
    }
    group = build(name, **values).param_groups[0]
    betas = values.pop("beta1", None), values.pop("beta2", None)
    assert betas in ((None, None), tuple(group.get("betas", ())))
    assert {key: group[key] for key in values} == values


def test_vogn_knows_the_data_and_draws_with_the_seed():
    optimizer = build("vogn", num_samples=3, batch_norm="sampled")
    assert (optimizer.num_samples, optimizer.batch_norm) == (3, "sampled")
    assert optimizer.param_groups[0]["num_data"] == 100
    assert optimizer._noise.seed == 5


def test_nesterov_arrives():
    assert build("sgd", nesterov=True).param_groups[0]["nesterov"] is True


def test_numbers_that_are_none_to_the_constructor_are_0_here():
    assert build("kfac").inverse_interval is None
    assert build("kfac").kl_clip is None
    set_ones = build("kfac", inverse_interval=20, kl_clip=0.01)
    assert (set_ones.inverse_interval, set_ones.kl_clip) == (20, 0.01)
    assert build("lamb", max_grad_norm=0).param_groups[0]["max_grad_norm"] is None


def test_lamb_decays_and_scales_matrices_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(3, 4))
    model[2].weight.requires_grad_(False)
    settings = OptimizerConfig(name="lamb", hyperparameters={"weight_decay": 0.2})
    decayed, others = build_optimizer(settings, model, 10, 0).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 1, 3, 3)]
    assert [p.ndim for p in others["params"]] == [1, 1, 1, 1]
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.2, 0.0)
    assert build_optimizer(settings, nn.PReLU(), 10, 0).param_groups[0]["lr"] == 0.001
