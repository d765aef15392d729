"""Selective prediction and the histogram, as the report shows them."""

from calibration import area_under_risk_coverage, entropy
from calibration.report.measuring.selective import selective, uncertainty_histogram
from tests.calibration.examples import random_labels, random_probabilities

PROBABILITIES, LABELS = random_probabilities(500, 4), random_labels(500, 4)


def test_the_section_holds_the_librarys_numbers():
    found = selective(PROBABILITIES, LABELS)
    error = (PROBABILITIES.argmax(axis=1) != LABELS).mean()
    assert found.random == error
    assert found.areas["aurc"] == area_under_risk_coverage(PROBABILITIES, LABELS)
    assert set(found.areas) == {"aurc", "augrc", "excess_aurc"}
    assert found.coverage[-1] == 1
    assert found.risk[-1] == error
    assert found.oracle_area < found.areas["aurc"]
    assert set(found.coverage_at_risk) == {"1", "2", "5"}
    assert set(found.risk_at_coverage) == {"50", "80", "90", "95"}


def test_the_histogram_counts_everyone_once():
    is_right = PROBABILITIES.argmax(axis=1) == LABELS
    found = uncertainty_histogram(entropy(PROBABILITIES), is_right)
    assert sum(found.right) == is_right.sum()
    assert sum(found.wrong) == (~is_right).sum()
    assert len(found.edges) == len(found.right) + 1
