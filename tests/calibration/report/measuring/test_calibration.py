"""Diagrams and class rows are those of the library."""

import numpy as np
import pytest

from calibration import reliability_diagram, wilson_interval
from calibration.report.measuring.calibration import class_rows, reliability
from tests.calibration.examples import random_labels, random_probabilities

PROBABILITIES, LABELS = random_probabilities(90, 3), random_labels(90, 3)


def test_the_diagrams_hold_all_examples():
    found = reliability(PROBABILITIES, LABELS, 10)
    assert sum(each.count for each in found.equal_width) == 90
    assert sum(each.count for each in found.equal_mass) == 90
    assert sum(each.count for each in found.confidence_wise) == 270
    diagram = reliability_diagram(PROBABILITIES, LABELS, 10)
    assert [each.accuracy for each in found.equal_width] == diagram.accuracy.tolist()


def test_rows_of_classes_equal_loops():
    rows = class_rows(PROBABILITIES, LABELS, ["a", "b", "c"], 10)
    predicted = PROBABILITIES.argmax(axis=1)
    for index, row in enumerate(rows):
        own = index == LABELS
        hits = int((predicted[own] == index).sum())
        assert (row.index, row.name, row.count) == (index, "abc"[index], own.sum())
        assert row.recall == hits / own.sum()
        assert (row.recall.low, row.recall.high) == wilson_interval(hits, own.sum())
        assert row.precision == hits / (predicted == index).sum()
        assert row.confidence == pytest.approx(PROBABILITIES[:, index].mean())
        nll = -np.log(PROBABILITIES[own, index]).mean()
        assert row.nll == pytest.approx(nll)


def test_a_class_without_examples_or_predictions_has_no_rates():
    rows = class_rows(
        np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 0]), ["a", "b"], 5
    )
    assert rows[0].recall == 1
    assert rows[1].recall is rows[1].precision is rows[1].nll is None
