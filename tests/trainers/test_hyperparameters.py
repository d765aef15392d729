"""Tests of what an optimizer takes."""

from dataclasses import replace

import pytest

from trainers.hyperparameters import NESTEROV, VELOCITY, HyperParameter, OptimizerSpec


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


def optimizer(*items, **settings):
    texts = dict.fromkeys(("name", "title", "summary", "paper"), "o")
    return OptimizerSpec(bayesian=False, hyperparameters=items, **texts, **settings)


def test_one_of_those_that_damp_must_be_positive():
    a, b = (
        HyperParameter(name=name, kind="float", default=0.5, help="h")
        for name in ("a", "b")
    )
    assert optimizer(a, b).validated({"a": 0, "b": 0}) == {"a": 0, "b": 0}
    damped = optimizer(a, b, damped_by=("a", "b"))
    assert damped.validated({"a": 0}) == {"a": 0, "b": 0.5}
    assert damped.validated({"b": 0}) == {"a": 0.5, "b": 0}
    with pytest.raises(ValueError, match=r"^a must be > 0 when b is 0, got 0\.$"):
        damped.validated({"a": 0, "b": "0.0"})


def test_nesterov_needs_momentum():
    ahead = optimizer(VELOCITY, NESTEROV)
    assert ahead.validated({"momentum": 0})["nesterov"] is False
    assert ahead.validated({"nesterov": True})["momentum"] == 0.9
    with pytest.raises(ValueError, match=r"^momentum must be > 0 with nesterov"):
        ahead.validated({"nesterov": True, "momentum": 0})


def test_a_velocity_is_told_from_an_average():
    average = HyperParameter(name="momentum", kind="float", default=0.9, help="h")
    assert optimizer(VELOCITY).keeps_velocity
    assert not optimizer(average).keeps_velocity


def test_who_makes_its_own_learning_rate_has_no_momentum_to_couple():
    found = replace(optimizer(VELOCITY), own_schedule=True)
    assert not found.keeps_velocity


def test_draws_are_as_many_as_there_are_networks():
    members = HyperParameter(name="members", kind="int", default=5, help="Networks.")
    few = replace(optimizer(members), draws="members")
    assert [few.num_draws({"members": 3}, wanted) for wanted in (2, 32)] == [3, 3]
    several = replace(optimizer(members), components="members")
    found = [several.num_draws({"members": 3}, wanted) for wanted in (2, 3, 32)]
    assert found == [3, 3, 33]
    assert optimizer(members).num_draws({"members": 3}, 32) == 32
    assert few.num_draws({"members": "auto"}, 32) == 32
