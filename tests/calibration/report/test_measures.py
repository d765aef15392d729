"""Tests of how measures are written."""

import pytest

from calibration.definitions import MEASURES
from calibration.report.measures import Measures
from tests.calibration.report.examples import estimate

measures = Measures(MEASURES)


@pytest.mark.parametrize(
    ("name", "value", "half", "text", "detail"),
    [
        ("accuracy", 0.9124, 0.0056, "91.2 %", "(90.7 to 91.8)"),
        ("ece", 0.0112, 0.002, "1.12 %", "(0.92 to 1.32)"),
        ("nll", 0.24412, 0.008, "0.2441", "(0.2361 to 0.2521)"),
        ("mutual_information", 0.04, 0.001, "0.040", "(0.039 to 0.041)"),
        ("never_heard_of", 1.5, 0.1, "1.500", "(1.400 to 1.600)"),
    ],
)
def test_a_value_has_its_unit_and_interval(name, value, half, text, detail):
    cell = measures.cell(name, estimate(value, half))
    assert (cell.text, cell.detail) == (text, detail)


def test_what_is_missing_is_a_dash():
    assert measures.cell("accuracy", None).text == "-"


def test_a_difference_has_its_sign():
    change = estimate(-0.004, 0.003, least=-1)
    assert measures.change("accuracy", change).text == "-0.4 points"
    assert measures.change("nll", change).detail == "(-0.0070 to -0.0010)"


def test_which_way_is_better():
    assert measures.arrow("accuracy") == "↑ higher is better"
    assert measures.arrow("nll") == "↓ lower is better"
    assert measures.arrow("sharpness") == ""


def test_the_best_of_several():
    assert measures.best("nll", [0.3, None, 0.2]) == 0.2
    assert measures.best("accuracy", [0.3, 0.2]) == 0.3
    assert measures.best("accuracy", [0.3, 0.3]) is None
    assert measures.best("accuracy", [0.3, None]) is None
    assert measures.best("sharpness", [0.3, 0.2]) is None


def test_only_the_best_of_all_models_stands_out():
    found = [estimate(0.3), estimate(0.2)]
    cells = measures.cells("nll", found, [*found, estimate(0.1)])
    assert not any(cell.strong for cell in cells)
    cells = measures.cells("nll", found, found)
    assert [cell.strong for cell in cells] == [False, True]


def test_names_come_in_the_order_of_the_catalogue():
    assert measures.ordered(["zzz", "ece", "accuracy"]) == ["accuracy", "ece", "zzz"]
    assert measures.title("zzz_a") == "Zzz a"
    assert measures.short("ece") == "ECE"
