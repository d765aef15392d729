"""Tests of `trainers/kinds.py`."""

import pytest

from trainers.catalogue import OPTIMIZERS
from trainers.kinds import KINDS, bayesian_examples, by_kind, in_order, kind_of


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_of_a_kind_that_says_what_it_gives_and_costs(name):
    kind = kind_of(name)
    assert kind.name == OPTIMIZERS[name].family
    assert kind.title
    assert kind.gives[0].islower()
    assert kind.costs[0].islower()
    assert OPTIMIZERS[name] in by_kind()[kind.name]


def test_kinds_hold_every_optimizer_once_and_in_order():
    found = by_kind()
    assert list(found) == [name for name in KINDS if name in found]
    assert all(found.values())
    names = [spec.name for specs in found.values() for spec in specs]
    assert sorted(names) == sorted(OPTIMIZERS)
    assert in_order(reversed(OPTIMIZERS)) == names


def test_some_optimizers_are_arranged_alone():
    assert list(by_kind(["sgd", "vogn"])) == ["variational", "first_order"]
    assert in_order(["sgd", "adamw", "vogn"]) == ["vogn", "adamw", "sgd"]
    assert in_order([]) == []


def test_examples_of_bayesian_optimizers_are_one_of_each_kind():
    told = bayesian_examples()
    assert told.startswith("VOGN")
    assert " or " in told
    assert "AdamW" not in told
