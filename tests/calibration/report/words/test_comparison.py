"""A comparison names a better one only beyond chance."""

import pytest

from calibration.intervals import Estimate
from calibration.report.words.comparison import comparison_sentence


def estimate(value, low, high):
    return Estimate(value, low=low, high=high, count=1000, method="bootstrap")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (estimate(0.02, 0.01, 0.03), "VOGN has the better negative log-likelihood"),
        (estimate(-0.02, -0.03, -0.01), "AdamW has the better negative"),
        (estimate(0.02, -0.01, 0.05), "difference in negative log-likelihood may be"),
    ],
)
def test_a_comparison_names_the_better_one_beyond_chance(change, said):
    assert said in comparison_sentence("VOGN", "AdamW", {"nll": change})


def test_higher_accuracy_is_better():
    said = comparison_sentence("a", "b", {"accuracy": estimate(0.02, 0.01, 0.03)})
    assert said == "On the same examples b has the better accuracy."
