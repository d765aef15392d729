"""Tests of `ui/views/run/ordering.py`."""

from dataclasses import replace

import numpy as np
import pytest

from calibration import select_examples
from tests.ui import fakes
from ui.components import predictions
from ui.views.run.ordering import (
    CONFIDENTLY_WRONG,
    LEAST_CERTAIN,
    MOST_CERTAIN,
    MOST_EPISTEMIC,
    Filters,
    chosen_rows,
    orders,
)

KINDS = {
    LEAST_CERTAIN: "least_certain", MOST_EPISTEMIC: "most_epistemic",
    CONFIDENTLY_WRONG: "confidently_wrong", MOST_CERTAIN: "most_certain",
}  # fmt: skip


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


@pytest.mark.parametrize("order", KINDS)
def test_the_order_is_that_of_calibration(run, order):
    part = predictions.part(run)
    with np.load(run.predictions) as arrays:
        found = select_examples(arrays["probabilities"], arrays["labels"], 360)
    rows = chosen_rows(part, Filters(order), np.arange(len(part)))
    np.testing.assert_array_equal(rows, found[KINDS[order]])


def test_orders_are_those_that_make_sense(run, root):
    assert orders(predictions.part(run)) == list(KINDS)
    assert orders(predictions.part(run, "ood_photo-patches")) == [
        LEAST_CERTAIN, MOST_EPISTEMIC, MOST_CERTAIN,
    ]  # fmt: skip
    single = fakes.write_run(root, "b", optimizer="sgd", evaluated=True)
    assert MOST_EPISTEMIC not in orders(predictions.part(single))


def test_filters_pass_what_they_say(run):
    part = predictions.part(run)
    everything = np.arange(len(part))
    true = chosen_rows(part, Filters(true=3), everything)
    assert set(part.labels[true]) == {3}
    assert len(true) == (part.labels == 3).sum()
    said = chosen_rows(part, Filters(predicted=2, only_wrong=True), everything)
    assert set(part.prediction[said]) == {2}
    assert not part.correct[said].any()
    assert len(said) == ((part.prediction == 2) & ~part.correct).sum()


def test_only_what_can_be_shown_is_shown(run):
    part = predictions.part(run)
    rows = chosen_rows(part, Filters(), np.array([5, 9, 300, 9999]))
    assert sorted(rows) == [5, 9, 300]
    out = predictions.part(run, "ood_photo-patches")
    filters = replace(Filters(), true=1, only_wrong=True)  # which no alien can pass
    assert len(chosen_rows(out, filters, np.arange(500))) == 500
