"""Tests of `ui/views/run/layer_measures.py`."""

import pytest

from tests.ui import fakes
from ui.views.run.layer_measures import (
    MEASURES,
    is_by_method,
    is_mixture,
    is_point,
    known,
)

_, _, EFFECTIVE, KL = MEASURES
LAYERS = fakes.layers()


def layer(**values):
    return {"name": "a", "num_parameters": 10, "deviation": 0.5} | values


def test_measures_of_sums_are_those_of_a_weight():
    assert EFFECTIVE.of(LAYERS[0]) == pytest.approx(0.2)
    assert KL.of(LAYERS[1]) == pytest.approx(3.5)
    assert KL.of(layer(kl=None)) is None
    assert KL.of(layer(kl=1.0, num_parameters=0)) is None


def test_a_mixture_has_words_of_its_own():
    plain, mixed = [layer(effective_parameters=5.0)], [layer(between=0.0), layer()]
    assert not is_mixture(plain)
    assert is_mixture(mixed)
    assert known(plain)[0].note == MEASURES[0].note
    notes = [each.note for each in known([layer(signal_to_noise=1.0, between=1.0)])]
    assert notes[0].startswith("How far a weight differs over draws")
    assert notes[1].startswith("The members' average weight")


def test_what_no_layer_knows_is_left_out():
    assert [each.key for each in known([layer(kl=None)])] == ["deviation"]
    assert known(LAYERS) == list(MEASURES)


def test_a_width_that_the_method_makes_is_not_said_to_be_of_the_data():
    swag = [layer(signal_to_noise=1.0), layer(signal_to_noise=3.0)]
    assert is_by_method(swag)
    assert not is_by_method(LAYERS)
    assert not is_by_method([layer(between=1.0)])
    notes = " ".join(each.note for each in known(swag))
    assert "the data determine it" not in notes
    assert notes.startswith("How far a weight differs over draws, on average.")


def test_a_ratio_that_is_the_same_everywhere_is_left_out_where_a_method_sets_it():
    dropout = [layer(signal_to_noise=1.5275), layer(signal_to_noise=1.52754)]
    assert [each.key for each in known(dropout)] == ["deviation"]
    assert len(known(dropout[:1])) == 2
    gaussian = [each | {"effective_parameters": 5.0} for each in dropout]
    assert "signal_to_noise" in [each.key for each in known(gaussian)]


def test_one_network_is_known_by_having_no_width():
    assert is_point([layer(deviation=0.0, between=0.0)])
    assert not is_point([layer(deviation=0.0), layer()])
    assert not is_point([layer(deviation=None)])
    assert not is_point([])
