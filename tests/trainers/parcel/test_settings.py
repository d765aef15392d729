"""Tests of constructor calls: they hold what was chosen, and nothing else."""

import inspect

import pytest
import torch
from timm.optim import create_optimizer_v2
from torch import nn
from torch.optim import SGD, AdamW

import vogn_app
from tests.trainers.building import built
from tests.trainers.parcel.values import OURS, others
from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig
from trainers.ensembles import MEMBERS
from trainers.parcel.settings import (
    MAKERS,
    WIDTH,
    call,
    chosen,
    constructor,
    has_posterior,
    written,
)

NAMES = {
    **{name: getattr(vogn_app, name) for name in vogn_app.__all__},
    "AdamW": AdamW, "SGD": SGD, "create_optimizer_v2": create_optimizer_v2,
}  # fmt: skip
OFF = ("kl_clip", "max_grad_norm", "clip_radius")
EVERY = pytest.mark.parametrize("name", OPTIMIZERS)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 3))


def _decay(group):
    return group.get("weight_decay", 0.0)


def settings(optimizer):
    """What an optimizer was made with, without its tensors."""
    own = [
        {key: value for key, value in group.items() if key != "params"}
        | {"shapes": [tuple(p.shape) for p in group["params"]]}
        for group in sorted(optimizer.param_groups, key=_decay)
    ]
    plain = {
        key: value
        for key, value in vars(optimizer).items()
        if isinstance(value, int | float | str) and key != "automatic"
    }
    preconditioner = getattr(optimizer, "preconditioner", None)
    inner = (
        {k: v for k, v in vars(preconditioner).items() if isinstance(v, int | float)}
        if preconditioner is not None
        else {}
    )
    return own, plain, inner


@EVERY
@pytest.mark.parametrize("which", ["defaults", "others", "off"])
def test_the_line_makes_the_optimizer_that_a_run_has(name, which):
    spec = OPTIMIZERS[name]
    off = {name: 0 for name in OFF if name in spec.defaults()}
    values = {"defaults": {}, "others": others(spec), "off": off}[which]
    line = constructor(spec, values, num_data="600", num_steps="100", start="")
    models = [network() for _ in range(spec.validated(values).get(MEMBERS, 0))]
    made = eval(line, {**NAMES, "model": network(), "models": models})
    config = OptimizerConfig(name=name, hyperparameters=values)
    assert settings(made) == settings(built(config, network(), 600, 0))


@pytest.mark.parametrize("name", OURS)
def test_defaults_are_left_to_the_constructor(name):
    spec = OPTIMIZERS[name]
    assert chosen(spec, {}) == {}
    assert MAKERS[name].ours
    own = inspect.signature(NAMES[MAKERS[name].call]).parameters
    defaults = {name: parameter.default for name, parameter in own.items()}
    if "betas" in defaults:
        defaults["beta1"], defaults["beta2"] = defaults["betas"]
    for item in spec.hyperparameters:
        if item.name != MEMBERS:
            off = item.name in ("inverse_interval", *OFF) and not item.default
            assert defaults[item.name] == (None if off else item.default), item.name


def test_what_torch_takes_by_itself_is_not_what_we_take():
    assert chosen(OPTIMIZERS["sgd"], {}) == {
        "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
    }  # fmt: skip
    assert chosen(OPTIMIZERS["adamw"], {"beta1": 0.8}) == {"betas": (0.8, 0.999)}


def test_zero_is_none_where_the_constructor_says_so():
    assert chosen(OPTIMIZERS["kfac"], {"kl_clip": 0}) == {"kl_clip": None}
    assert chosen(OPTIMIZERS["lamb"], {"max_grad_norm": 0})["max_grad_norm"] is None
    assert chosen(OPTIMIZERS["kfac"], {"weight_decay": 0}) == {}


@pytest.mark.parametrize("value", [None, "auto"])
def test_automatic_values_are_left_out(value):
    assert chosen(OPTIMIZERS["vogn"], {"lr": value, "momentum": 0.5}) == {
        "momentum": 0.5
    }


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match="lr must be a number in"):
        chosen(OPTIMIZERS["vogn"], {"lr": -1})
    with pytest.raises(ValueError, match="must be one of"):
        constructor(OPTIMIZERS["kfac"], {"num_data": "__import__('os')"})


def test_long_calls_are_broken_into_lines_that_fit():
    spec = OPTIMIZERS["vogn"]
    line = constructor(spec, others(spec), num_data="len(loader.dataset)", indent=8)
    assert len(line.splitlines()) > 3
    assert all(len(each) <= WIDTH for each in line.splitlines())
    assert line.startswith("        optimizer = VOGN(\n            model, ")
    assert line.endswith("\n        )")


def test_short_calls_stay_on_one_line():
    assert call("f", ["a", "b=1"], indent=2) == "  f(a, b=1)"
    assert written("fisher") == '"fisher"'
    assert written(1e-5) == "1e-05"


def test_an_ensemble_is_made_of_its_networks():
    assert constructor(OPTIMIZERS["ensemble"], {"members": 3, "lr": 0.5}) == (
        "optimizer = Ensemble([AdamW(each.parameters(), lr=0.5) for each in models], "
        "models)"
    )
    line = constructor(OPTIMIZERS["multi_vogn"], {}, num_data="len(x)", indent=4)
    assert line.splitlines()[2:4] == [
        " " * 12 + "VOGN(each, num_data=len(x), seed=seed, process_group=None)",
        " " * 12 + "for seed, each in enumerate(models)",
    ]


def test_ogn_has_no_posterior():
    assert has_posterior(OPTIMIZERS["vogn"], {})
    assert has_posterior(OPTIMIZERS["noisy_kfac"], {})
    assert not has_posterior(OPTIMIZERS["vogn"], {"sampled": False})
    assert not has_posterior(OPTIMIZERS["kfac"], {})
