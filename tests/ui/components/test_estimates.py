"""Tests of `ui/components/estimates.py`."""

import pytest

from calibration import MEASURES, Estimate
from ui.components.estimates import NOTHING, change, label, share, told

FOUND = Estimate(0.0123, low=0.004, high=0.0207, count=100, method="bootstrap")


def test_a_measure_has_its_unit_and_interval():
    assert told("ece", FOUND) == "1.23 % :small[(0.40 to 2.07)]"
    assert told("nll", FOUND) == "0.0123 :small[(0.0040 to 0.0207)]"


def test_a_share_and_a_difference():
    assert share(FOUND) == "1.2 % :small[(0.4 to 2.1)]"
    assert change("ece", FOUND) == "+1.23 points :small[(+0.40 to +2.07)]"


@pytest.mark.parametrize("found", [told("ece", None), share(None), change("ece", None)])
def test_nothing_is_no_list_in_markdown(found):
    assert found == NOTHING == r"\-"


def test_every_measure_has_a_label():
    labels = {label(name) for name in MEASURES}
    assert len(labels) == len(MEASURES)
    assert {"ECE ↓", "Accuracy ↑", "Overconfidence"} <= labels
