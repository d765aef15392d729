"""Tests of optimizers by name."""

import pytest
from timm.optim import lamb
from timm.optim.lamb import Lamb
from torch import nn
from torch.optim import SGD, AdamW

from tests.trainers.building import built
from trainers import optimizers as module
from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig
from trainers.ensembles import MEMBERS
from vogn_app import (
    IVON,
    KFAC,
    SGHMC,
    SGLD,
    SPNGD,
    SWAG,
    VOGN,
    Ensemble,
    Laplace,
    MCDropout,
    NoisyKFAC,
    SnapshotEnsemble,
    Vadam,
)

CLASSES = {
    "vogn": VOGN,
    "kfac": KFAC,
    "noisy_kfac": NoisyKFAC,
    "sp_ngd": SPNGD,
    "adamw": AdamW,
    "sgd": SGD,
    "lamb": Lamb,
    "ensemble": Ensemble,
    "multi_vogn": Ensemble,
    "mc_dropout": MCDropout,
    "swag": SWAG,
    "sgld": SGLD,
    "sghmc": SGHMC,
    "snapshot": SnapshotEnsemble,
    "ivon": IVON,
    "vadam": Vadam,
    "ogn": VOGN,
    "laplace": Laplace,
}


def build(name, **hyperparameters):
    settings = OptimizerConfig(name=name, hyperparameters=hyperparameters)
    return built(settings, nn.Linear(2, 3), 100, 5)


def test_every_optimizer_of_the_catalogue_is_built():
    assert list(CLASSES) == list(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_name_decides_the_class(name):
    optimizer = build(name)
    assert type(optimizer) is CLASSES[name]
    members = OPTIMIZERS[name].defaults().get(MEMBERS, 1)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2 * members


@pytest.fixture
def given(monkeypatch):
    """Record what the constructors are given instead of building anything."""
    found = {}

    def take(*arguments, **settings):
        found.update(settings)

    for name, cls in CLASSES.items():
        home = lamb if name == "lamb" else module  # which is imported on use
        monkeypatch.setattr(home, cls.__name__, take)
    return found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_hyper_parameter_arrives(given, name):
    others = {"float": 0.5, "int": 3, "bool": True}
    values = {
        item.name: item.choices[-1] if item.choices else others[item.kind]
        for item in OPTIMIZERS[name].hyperparameters
    }
    build(name, **values)
    if MEMBERS in values:
        assert len(given["seeds"]) == values.pop(MEMBERS)
    betas = values.pop("beta1", None), values.pop("beta2", None)
    assert betas in ((None, None), given.get("betas"))
    if name == "lamb":
        del values["weight_decay"]  # goes with the groups
    assert {key: given[key] for key in values} == values


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("noisy_kfac", ("inverse_interval", "kl_clip")),
        ("kfac", ("inverse_interval", "kl_clip")),
        ("sp_ngd", ("kl_clip",)),
        ("lamb", ("max_grad_norm",)),
    ],
)
def test_what_is_none_to_the_constructor_is_0_here(given, name, names):
    build(name, **dict.fromkeys(names, 0))
    assert [given[key] for key in names] == [None] * len(names)


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac", "kfac", "sp_ngd"])
def test_who_draws_draws_with_the_seed(given, name):
    build(name)
    assert given["seed"] == 5


def test_vogn_knows_the_data_and_draws_with_the_seed():
    optimizer = build("vogn", num_samples=3, batch_norm="sampled")
    assert (optimizer.num_samples, optimizer.batch_norm) == (3, "sampled")
    assert optimizer.param_groups[0]["num_data"] == 100
    assert optimizer._noise.seed == 5


def test_noisy_kfac_knows_the_data():
    assert build("noisy_kfac").num_data == 100


def test_nesterov_arrives():
    assert build("sgd", nesterov=True).param_groups[0]["nesterov"] is True


def test_lamb_decays_and_scales_matrices_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(3, 4))
    model[2].weight.requires_grad_(False)
    settings = OptimizerConfig(name="lamb", hyperparameters={"weight_decay": 0.2})
    decayed, others = built(settings, model, 10, 0).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 1, 3, 3)]
    assert [p.ndim for p in others["params"]] == [1, 1, 1, 1]
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.2, 0.0)
    assert built(settings, nn.PReLU(), 10, 0).param_groups[0]["lr"] == 0.001
