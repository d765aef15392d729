"""Tests of `ui/views/compare/measures.py`."""

import numpy as np
import pytest

from calibration import Estimate
from tests.ui.views.compare.examples import entries_of, run_of
from ui.views.compare.measures import measure_row


def estimate(value):
    return Estimate(value, low=value - 0.1, high=value + 0.1, count=9, method="")


def test_a_family_is_its_mean_and_a_run_its_estimate(two_families, root):
    entries = entries_of(*two_families["vogn"], run_of(root, "z", optimizer="sgd"))
    values = [0.1, 0.2, 0.6]
    found = [
        (entries[0], [{"aurc": estimate(each)} for each in values]),
        (entries[1], [{"aurc": estimate(0.2)}]),
    ]
    row = measure_row("aurc", found)
    mean, single = row.numbers
    assert mean.value == pytest.approx(np.mean(values))
    assert mean.deviation == pytest.approx(np.std(values, ddof=1))
    assert (single.value, single.low) == (0.2, 0.1)
    assert row.best == 1


def test_nothing_is_best_of_other_data(root):
    entries = entries_of(
        run_of(root, "a"), run_of(root, "b", dataset="mnist", optimizer="sgd")
    )
    found = [(entry, [{"aurc": estimate(0.1 * k)}]) for k, entry in enumerate(entries)]
    assert measure_row("aurc", found).best is None
