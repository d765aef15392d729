"""Tests of `ui/views/run/layer_measures.py`."""

import pytest

from tests.ui import fakes
from ui.views.run.layer_measures import MEASURES, is_mixture, known

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
    plain, mixed = [layer(between=None)], [layer(between=0.0), layer()]
    assert not is_mixture(plain)
    assert is_mixture(mixed)
    assert known(plain)[0].note == MEASURES[0].note
    notes = [each.note for each in known([layer(signal_to_noise=1.0, between=1.0)])]
    assert notes[0].startswith("How far a weight differs over draws")
    assert notes[1].startswith("The members' average weight")


def test_what_no_layer_knows_is_left_out():
    assert [each.key for each in known([layer(kl=None)])] == ["deviation"]
    assert known(LAYERS) == list(MEASURES)
