"""Tests of `ui/views/compare/differences.py`."""

import numpy as np
import pytest
from scipy.stats import t, ttest_ind, ttest_rel

import calibration
from calibration import Difference, Estimate
from tests.ui.views.compare.examples import (
    entries_of,
    labels_of,
    probabilities,
    run_of,
)
from trainers.runs import read_json
from ui.views.compare import differences
from ui.views.compare.differences import (
    ALIKE,
    BETTER,
    HEADLINE,
    MEANS,
    PAIRED,
    SEEDWISE,
    TOO_FEW,
    UNCLEAR,
    WORSE,
    against,
    better_share,
    paired,
    verdict,
)


def compared(*runs, by_seeds=True):
    first, *others = entries_of(*runs, by_seeds=by_seeds)
    rows, refused = against(first, others)
    assert refused == {}
    return {(row.entry.name, row.measure): row for row in rows}


def metrics(runs, name):
    return [read_json(run.evaluation)["metrics"][name] for run in runs]


def test_run_against_run_is_calibrations_paired_difference(root):
    one, two = run_of(root, "a"), run_of(root, "b", optimizer="adamw", sharp=2.0)
    rows = compared(one, two)
    expected = calibration.paired_differences(
        probabilities(two), probabilities(one), labels_of(one), HEADLINE
    )
    for name in HEADLINE:
        row = rows["AdamW", name]
        assert float(row.difference) == pytest.approx(float(expected[name]), abs=1e-6)
        assert row.difference.low == pytest.approx(expected[name].low, abs=1e-6)
        assert row.difference.high == pytest.approx(expected[name].high, abs=1e-6)
        assert row.method == PAIRED
    assert rows["AdamW", "nll"].verdict == WORSE
    assert rows["AdamW", "nll"].support == "worse in more than 99.9 % of resamples"
    for name, same in paired(one, one).items():
        assert float(same) == 0
        assert better_share(name, same) == "the same in all resamples"


def test_with_the_same_seeds_differences_are_taken_seed_by_seed(two_families):
    vogn, adamw = two_families["vogn"], two_families["adamw"]
    rows = compared(*vogn, *adamw)
    for name in HEADLINE:
        row = rows["AdamW", name]
        first, second = metrics(adamw, name), metrics(vogn, name)
        summary = calibration.mean_over_seeds(np.subtract(first, second))
        assert float(row.difference) == pytest.approx(summary.mean)
        assert row.difference.low == pytest.approx(summary.low)
        interval = ttest_rel(first, second).confidence_interval()
        assert row.difference.high == pytest.approx(interval.high)
        assert row.method == SEEDWISE
    assert rows["AdamW", "nll"].support == "worse with 3 of 3 seeds"


def test_with_other_seeds_the_means_are_compared(root):
    first = [run_of(root, f"a{k}", seed=k) for k in range(3)]
    second = [run_of(root, f"b{k}", seed=k, optimizer="sgd") for k in range(3, 7)]
    row = compared(*first, *second)["SGD", "brier"]
    test = ttest_ind(metrics(second, "brier"), metrics(first, "brier"), equal_var=False)
    interval = test.confidence_interval()
    assert row.difference.low == pytest.approx(interval.low)
    assert row.difference.high == pytest.approx(interval.high)
    assert (row.method, row.support) == (MEANS, "4 against 3 seeds")


def test_a_single_run_against_seeds_borrows_their_deviation(root):
    several = [run_of(root, f"a{k}", seed=k) for k in range(3)]
    single = run_of(root, "b", optimizer="sgd")
    row = compared(*several, single)["SGD", "nll"]
    numbers = metrics(several, "nll")
    half = t.ppf(0.975, 2) * np.std(numbers, ddof=1) * np.sqrt(1 + 1 / 3)
    value = metrics([single], "nll")[0] - np.mean(numbers)
    assert float(row.difference) == pytest.approx(value)
    assert row.difference.high == pytest.approx(value + half)


@pytest.mark.parametrize(
    ("first", "second", "support"),
    [
        ([0.985, 0.985], [0.98], ALIKE),
        ([0.985, 0.985, 0.985], [0.98, 0.98, 0.98], ALIKE),
        ([0.4, 0.9], [0.3, 0.8], ALIKE),  # all pairs are, but for rounding
        ([0.985, 0.98500001], [0.98], f"2 against 1 seeds: {TOO_FEW}"),
        ([0.985, 0.98500001], [0.98, 0.98], f"better with 2 of 2 seeds: {TOO_FEW}"),
    ],
)
def test_nothing_is_clear_without_a_spread(monkeypatch, first, second, support):
    by_name = {"a": dict(enumerate(first)), "b": dict(enumerate(second))}
    monkeypatch.setattr(differences, "_by_seed", lambda entry, _: by_name[entry])
    (row,) = differences._over_seeds("a", "b", ["accuracy"])
    assert (row.verdict, row.support) == (UNCLEAR, support)
    assert row.has_interval == (support != ALIKE)


def interval(low, high):
    return Estimate((low + high) / 2, low=low, high=high, count=2, method="t")


@pytest.mark.parametrize(
    ("measure", "ends", "expected"),
    [
        ("nll", (-2, -1), BETTER),
        ("nll", (1, 2), WORSE),
        ("accuracy", (1, 2), BETTER),
        ("accuracy", (-2, -1), WORSE),
        ("ece", (-1, 1), UNCLEAR),
        ("brier", (0, 1), UNCLEAR),
    ],
)
def test_a_verdict_needs_an_interval_that_leaves_out_zero(measure, ends, expected):
    assert verdict(measure, interval(*ends)) == expected


@pytest.mark.parametrize(
    ("measure", "value", "share", "told"),
    [
        ("accuracy", 0.1, 0.98, "better in 98 % of resamples"),
        ("accuracy", -0.1, 0.02, "worse in 98 % of resamples"),
        ("nll", -0.1, 0.003, "better in 99.7 % of resamples"),
        ("nll", 0.1, 1.0, "worse in more than 99.9 % of resamples"),
        ("ece", -0.1, 0.58, "better in only 42 % of resamples"),
    ],
)
def test_the_share_of_resamples_is_that_of_the_numbers_side(
    measure, value, share, told
):
    difference = Difference(
        value, low=-1, high=1, count=9, method="t", share_above_zero=share
    )
    assert better_share(measure, difference) == told


@pytest.mark.parametrize(
    ("value", "shares", "told"),
    [
        (0.1, (0.421, 1.0), "worse in 42 % to 100 %"),
        (-0.1, (0.0, 0.579), "better in 42 % to 100 %"),
        (-0.1, (0.02, 0.1), "better in 90 % to 98 %"),
    ],
)
def test_the_shares_of_an_ece_are_those_of_all_allowances(value, shares, told):
    difference = Difference(
        value, low=-1, high=1, count=9, method="t", share_above_zero=shares[0],
        share_range=shares,
    )  # fmt: skip
    told = f"{told} of resamples, by how its bias is allowed for"
    assert better_share("ece", difference) == told


def test_what_cannot_be_compared_is_refused_with_its_reason(root):
    runs = [
        run_of(root, "a"),
        run_of(root, "b", dataset="mnist", optimizer="adamw"),
        run_of(root, "c", evaluated=False, optimizer="sgd"),
    ]
    first, *others = entries_of(*runs)
    rows, refused = against(first, others)
    assert rows == []
    assert refused == {
        "AdamW": "tested on other data, mnist instead of digits",
        "SGD": "was not evaluated",
    }
