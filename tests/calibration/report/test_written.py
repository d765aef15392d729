"""Tests of how measures are written."""

import numpy as np
import pytest

from calibration.estimate import Estimate
from calibration.report import written
from tests.calibration.report.examples import estimate


@pytest.mark.parametrize(
    ("name", "value", "half", "text", "detail"),
    [
        ("accuracy", 0.9124, 0.0056, "91.2 %", "(90.7 to 91.8)"),
        ("accuracy", 0.99999, 0.00001, "over 99.9 %", "(100.0 to 100.0)"),
        ("ece", 0.00001, 0.00001, "under 0.01 %", "(0.00 to 0.00)"),
        ("ece", 0.0112, 0.002, "1.12 %", "(0.92 to 1.32)"),
        ("nll", 0.24412, 0.008, "0.2441", "(0.2361 to 0.2521)"),
        ("mutual_information", 0.04, 0.001, "0.040", "(0.039 to 0.041)"),
        ("never_heard_of", 1.5, 0.1, "1.500", "(1.400 to 1.600)"),
    ],
)
def test_a_value_has_its_unit_and_interval(name, value, half, text, detail):
    cell = written.cell(name, estimate(value, half))
    assert (cell.text, cell.detail) == (text, detail)


def test_what_is_missing_is_a_dash():
    assert written.cell("accuracy", None).text == "-"
    assert written.percent_cell(None).text == "-"


def test_a_share_of_no_name_is_per_cent():
    cell = written.percent_cell(estimate(0.9124, 0.0056))
    assert (cell.text, cell.detail) == ("91.2 %", "(90.7 to 91.8)")


def test_a_mean_has_its_range():
    cell = written.range_cell("accuracy", [0.5, 0.7])
    assert (cell.text, cell.detail) == ("60.0 %", "(50.0 to 70.0)")
    assert written.range_cell("accuracy", []).text == "-"


def test_a_spread_over_seeds_has_its_unit_once():
    assert written.spread("accuracy", 0.9999, 0.0001) == "100.0 ± 0.0 %"
    assert written.spread("nll", 0.24412, 0.0032) == "0.2441 ± 0.0032"


def test_a_difference_has_its_sign():
    endless = Estimate(0.005, low=-np.inf, high=np.inf, count=3, method="t")
    assert written.change("accuracy", endless).text == "+0.5 points"
    assert written.change("accuracy", endless).detail == "(no interval)"
    change = estimate(-0.004, 0.003, least=-1)
    assert written.change("accuracy", change).text == "-0.4 points"
    assert written.change("nll", change).detail == "(-0.0070 to -0.0010)"
    assert written.change("nll", estimate(-0.00001, 0, least=-1)).text == "0.0000"


def test_which_way_is_better():
    assert written.arrow("accuracy") == "↑ higher is better"
    assert written.arrow("nll") == "↓ lower is better"
    assert written.arrow("sharpness") == ""


def test_the_best_of_several():
    assert written.best("nll", [0.3, None, 0.2]) == 0.2
    assert written.best("accuracy", [0.3, 0.2]) == 0.3
    assert written.best("accuracy", [0.3, 0.3]) is None
    assert written.best("accuracy", [0.3, None]) is None
    assert written.best("sharpness", [0.3, 0.2]) is None


def test_only_the_best_of_all_models_stands_out():
    found = [estimate(0.3), estimate(0.2)]
    cells = written.cells("nll", found, [*found, estimate(0.1)])
    assert not any(cell.strong for cell in cells)
    cells = written.cells("nll", found, found)
    assert [cell.strong for cell in cells] == [False, True]


def test_names_come_in_the_order_of_the_catalogue():
    names = ["zzz", "mce", "sharpness", "ece", "accuracy"]
    assert written.ordered(names)[:2] == ["accuracy", "ece"]
    assert written.ordered(names)[-1] == "zzz"
    assert written.title("zzz_a") == "Zzz a"
    assert written.short("ece") == "ECE"
