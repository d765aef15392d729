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


def number(**settings):
    return HyperParameter(name="x", kind="float", default=0.5, help="h", **settings)


def whole(**settings):
    return HyperParameter(name="x", kind="int", default=1, help="h", **settings)


@pytest.mark.parametrize(
    ("item", "condition"),
    [
        (number(), "a number"),
        (number(minimum=0), "a number >= 0"),
        (number(minimum=0, open_minimum=True), "a number > 0"),
        (number(minimum=0, maximum=1, open_maximum=True), "a number in [0, 1)"),
        (whole(minimum=1, maximum=64), "a whole number in [1, 64]"),
        (number(minimum=0, maximum=1, open_minimum=True), "a number in (0, 1]"),
        (HyperParameter(name="x", kind="bool", default=True, help=""), "true or false"),
        (
            HyperParameter(
                name="x", kind="choice", default="a", help="", choices=("a", "b")
            ),
            "one of a, b",
        ),
    ],
)
def test_the_condition_is_told_in_words(item, condition):
    assert item.condition == condition


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        (number(), "1e-3", 0.001),
        (number(), 3, 3.0),
        (whole(), "4", 4),
        (whole(), 4.0, 4),
        (HyperParameter(name="x", kind="bool", default=False, help=""), "True", True),
        (HyperParameter(name="x", kind="bool", default=False, help=""), False, False),
    ],
)
def test_values_are_converted_to_their_type(item, value, expected):
    converted = item.validated(value)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (number(minimum=0, open_minimum=True), 0),
        (number(maximum=1, open_maximum=True), 1.0),
        (number(maximum=1), 1.5),
        (number(), "nan"),
        (number(), float("inf")),
        (number(), None),
        (number(), [1]),
        (number(), True),
        (number(), 10**400),
        (whole(), 1.5),
        (whole(), "one"),
        (whole(), 10**400),
        (HyperParameter(name="x", kind="bool", default=False, help=""), 1),
        (HyperParameter(name="x", kind="bool", default=False, help=""), "yes"),
        (
            HyperParameter(
                name="x", kind="choice", default="a", help="", choices=("a",)
            ),
            ["a"],
        ),
    ],
)
def test_values_that_are_not_allowed_are_refused(item, value):
    with pytest.raises(ValueError, match=r"x must be .*, got ") as caught:
        item.validated(value)
    assert str(caught.value) == f"x must be {item.condition}, got {value!r}."


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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hyper_parameters_are_arguments_of_the_optimizer(name):
    known = set(inspect.signature(CLASSES[name]).parameters)
    ours = {item.name for item in OPTIMIZERS[name].hyperparameters}
    assert ours - known <= {"beta1", "beta2"}


@pytest.mark.parametrize("name", ["vogn", "kfac", "sp_ngd", "lamb"])
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
