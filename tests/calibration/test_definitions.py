"""The catalogue of measures is whole, and says the same everywhere."""

import pytest

from calibration.definitions import FPR95_DEFINITION, MEASURES
from calibration.evaluation import DEFINITIONS
from calibration.measures import measure
from tests.calibration.examples import random_labels, random_probabilities


def test_everything_measured_is_defined():
    found = measure(random_probabilities(2, 30, 3), random_labels(30, 3))
    assert set(found) <= set(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_a_definition_is_a_sentence_under_its_own_name(name):
    definition = MEASURES[name]
    assert definition.name == name
    assert definition.sentence.endswith(".")
    assert definition.better in {"lower", "higher", ""}
    assert DEFINITIONS[name] == definition.sentence


def test_the_convention_of_fpr95_is_told_in_full():
    assert "out of distribution is the positive class" in FPR95_DEFINITION
    assert MEASURES["fpr95"].sentence == FPR95_DEFINITION
