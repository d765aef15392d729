"""Tests of what can be trained and how."""

import inspect

import pytest

from tests.trainers.test_optimizers import CLASSES
from trainers.catalogue import (
    MODELS,
    OPTIMIZERS,
    TIMM_SUGGESTIONS,
    model_spec,
    optimizer_spec,
)
from trainers.ensembles import MEMBERS


@pytest.mark.parametrize("spec", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_defaults_are_allowed_and_complete(spec):
    assert spec.validated({}) == spec.defaults()
    assert list(spec.defaults()) == [item.name for item in spec.hyperparameters]
    assert all(item.help.endswith(".") for item in spec.hyperparameters)


def test_unknown_hyper_parameters_are_refused():
    with pytest.raises(
        ValueError, match=r"hyper-parameter of sgd must be one of lr, .*, got 'beta1'"
    ):
        optimizer_spec("sgd").validated({"beta1": 0.9})


# What the members of an ensemble are trained by.
MADE_OF = {"ensemble": CLASSES["adamw"], "multi_vogn": CLASSES["vogn"]}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hyper_parameters_are_arguments_of_the_optimizer(name):
    maker = MADE_OF.get(name, CLASSES[name])
    known = set(inspect.signature(maker).parameters)
    ours = {item.name for item in OPTIMIZERS[name].hyperparameters}
    assert ours - known <= {"beta1", "beta2", MEMBERS}


@pytest.mark.parametrize("name", ["vogn", "noisy_kfac", "kfac", "sp_ngd", "lamb"])
def test_defaults_are_those_of_the_library(name):
    parameters = inspect.signature(CLASSES[name]).parameters
    for item in OPTIMIZERS[name].hyperparameters:
        if not item.name.startswith("beta"):
            # 0 stands for the constructor's None.
            assert (parameters[item.name].default or 0) == item.default


def test_models_are_found_by_name():
    assert [model_spec(name).name for name in MODELS] == list(MODELS)
    assert model_spec("timm:resnet18").title == "resnet18"
    assert all(model_spec(n).inputs == ("image",) for n in TIMM_SUGGESTIONS)


@pytest.mark.parametrize("name", ["lenet", "timm:", ""])
def test_unknown_models_are_refused(name):
    with pytest.raises(
        ValueError, match="model must be one of lenet5, mlp, resnet20 or timm:NAME, got"
    ):
        model_spec(name)


def test_unknown_optimizers_are_refused():
    with pytest.raises(
        ValueError, match=r"optimizer must be one of adamw, .*, vogn, got 'adam'\."
    ):
        optimizer_spec("adam")
