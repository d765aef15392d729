"""Tests of `ui/views/run/sides.py`."""

import numpy as np
import pytest

from calibration import class_reliability_diagrams, reliability_diagram
from calibration.reliability import diagram
from tests.ui import fakes
from ui.components.predictions import part
from ui.views.run.recalibration import NONE, fitted
from ui.views.run.sides import BEFORE, sides


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def same(found, expected):
    for name in ("count", "confidence", "accuracy", "accuracy_low", "upper"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_the_diagram_of_the_predicted_class_is_the_library_s(run, scheme):
    (side,) = sides(run, NONE).values()
    found = diagram(side.confidence, side.came_true, 12, scheme)
    test = part(run)
    same(found, reliability_diagram(test.mean, test.labels, 12, scheme))
    assert side.rows.tolist() == list(range(360))


@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_the_diagram_of_a_class_is_the_library_s(run, scheme):
    test = part(run)
    expected = class_reliability_diagrams(test.mean, test.labels, 12, scheme)
    for k in (0, 7):
        side = sides(run, NONE, k)[BEFORE]
        same(diagram(side.confidence, side.came_true, 12, scheme), expected[k])


def test_a_recalibration_stands_beside_the_same_examples(run):
    before, after = sides(run, "temperature").values()
    assert list(sides(run, "temperature")) == [BEFORE, fitted(run).told("temperature")]
    np.testing.assert_array_equal(before.labels, after.labels)
    result = fitted(run).results["temperature"]
    np.testing.assert_array_equal(after.probabilities, result.probabilities)
    np.testing.assert_array_equal(before.said, after.said)  # a temperature keeps order
    assert not np.array_equal(before.confidence, after.confidence)
