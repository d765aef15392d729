"""A comparison names a better one only beyond chance."""

import pytest

from calibration.estimate import Estimate
from calibration.report.words.comparison import comparison_sentence


def estimate(value, low, high):
    return Estimate(value, low=low, high=high, count=1000, method="bootstrap")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (estimate(0.02, 0.01, 0.03), "VOGN has the better negative log-likelihood"),
        (estimate(-0.02, -0.03, -0.01), "AdamW has the better negative"),
        (estimate(0.02, -0.01, 0.05), "between VOGN and AdamW in negative"),
    ],
)
def test_a_comparison_names_the_better_one_beyond_chance(change, said):
    assert said in comparison_sentence("VOGN", "AdamW", {"nll": change})


def test_higher_accuracy_is_better():
    said = comparison_sentence("a", "b", {"accuracy": estimate(0.02, 0.01, 0.03)})
    assert said == "On the same examples b has the better accuracy, a the worse."


def test_both_are_named_whatever_is_found():
    even = {"accuracy": estimate(0, -0.1, 0.1), "nll": estimate(0, -0.1, 0.1)}
    assert comparison_sentence("a", "b", even) == (
        "On the same examples the differences between a and b in accuracy and negative "
        "log-likelihood may be chance."
    )
    said = comparison_sentence("a", "b", even | {"ece": estimate(0.1, 0.05, 0.2)})
    assert said == (
        "On the same examples a has the better expected calibration error, b the "
        "worse; the differences in accuracy and negative log-likelihood may be chance."
    )


def test_the_same_model_twice_does_not_differ():
    same = {name: estimate(0.0, 0.0, 0.0) for name in ("accuracy", "nll")}
    said = comparison_sentence("a", "b", same)
    assert said == "On the same examples a and b do not differ."
