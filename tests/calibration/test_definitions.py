"""The catalogue of measures is whole, and says the same everywhere."""

import pytest

from calibration.definitions import FPR95_DEFINITION, MEASURES
from calibration.evaluation import DEFINITIONS
from calibration.measures import HEADLINE, measure
from calibration.ood import DETECTION_MEASURES
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
    assert "  " not in definition.sentence + definition.reference


def test_no_two_measures_are_described_alike():
    for field in ("title", "sentence"):
        told = [getattr(each, field) for each in MEASURES.values()]
        assert len(set(told)) == len(told)


def test_what_evaluation_json_adds_hides_no_measure():
    added = {"intervals", "mean", "auroc_mutual_information"}
    assert set(DEFINITIONS) - set(MEASURES) == added
    assert len(DEFINITIONS) == len(MEASURES) + len(added)
    assert all(text.endswith(".") for text in DEFINITIONS.values())


def test_the_convention_of_fpr95_is_told_wherever_it_is_shown():
    assert "out of distribution is the positive class" in FPR95_DEFINITION
    told = [DEFINITIONS["fpr95"], MEASURES["fpr95"].sentence]
    assert all("out of distribution is the positive class" in each for each in told)


def test_detection_is_defined_measure_by_measure():
    assert set(DETECTION_MEASURES) <= set(MEASURES)
    assert set(HEADLINE) <= set(MEASURES)
