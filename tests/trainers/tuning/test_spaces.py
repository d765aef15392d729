"""Tests of what is searched."""

import pytest

from trainers.catalogue import OPTIMIZERS, optimizer_spec
from trainers.hyperparameters import AUTO, HyperParameter
from trainers.tuning.spaces import (
    MOST,
    RANGES,
    SEARCHED,
    Dimension,
    Range,
    dimension,
    searched_names,
    space,
)


def item(**more):
    return HyperParameter(name="x", kind="float", default=0.1, help="", **more)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_a_space_within_what_it_allows(name):
    spec = optimizer_spec(name)
    names = searched_names(name)
    assert 1 <= len(names) <= MOST
    items = spec.hyperparameters
    automatic = {h.name: 0.5 if h.kind == "float" else 1 for h in items}
    defaults = spec.defaults()
    start = {k: automatic[k] if v == AUTO else v for k, v in defaults.items()}
    found = space(name, names, start)
    assert found
    for each in found:
        for end in (each.low, each.high):
            spec.validated({**start, each.name: round(end) if each.whole else end})


def test_what_is_named_exists():
    for name, searched in SEARCHED.items():
        if name in OPTIMIZERS:
            assert set(searched) <= set(optimizer_spec(name).defaults())
        assert set(searched) <= set(RANGES)


def test_a_relative_range_lies_around_the_value_to_begin_with():
    found = dimension(item(), Range(low=0.1, high=10, relative=True), 2.0)
    assert (found.low, found.high, found.log) == (pytest.approx(0.2), 20, True)


@pytest.mark.parametrize("start", [None, AUTO, 0.0, -1.0, True])
def test_ratios_are_searched_around_a_number_alone(start):
    assert dimension(item(), Range(low=0.1, high=10, relative=True), start) is None
    assert dimension(item(), Range(low=0.1, high=10), start) is None


def test_a_fixed_range_takes_in_the_value_to_begin_with():
    assert dimension(item(), Range(low=1e-3, high=1e-1), 0.5).high == 0.5
    assert dimension(item(), Range(low=1, high=2, log=False), 0.0).low == 0


def test_an_open_end_is_not_in_a_range():
    limited = item(minimum=0.0, open_minimum=True, maximum=1.0, open_maximum=True)
    found = dimension(limited, Range(low=0, high=1, log=False), 0.5)
    assert 0 < found.low < 0.01
    assert 0.99 < found.high < 1


def test_a_dimension_knows_its_values():
    ends = Dimension(name="x", low=1, high=2)
    assert ends.has(1)
    assert not any(map(ends.has, (0.5, AUTO, True)))
    some = Dimension(name="x", low=0, high=9, choices=(0, 9))
    assert some.has(9)
    assert not some.has(5)


def test_names_that_an_optimizer_lacks_are_left_out():
    assert [d.name for d in space("adamw", ("lr", "damping"), {"lr": 1.0})] == ["lr"]
