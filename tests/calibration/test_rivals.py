"""Tests of `calibration/rivals.py`."""

import numpy as np
import pytest
from scipy import stats

from calibration.rivals import BETTER, UNCLEAR, WORSE, best_rival

REFERENCE = {0: 0.50, 1: 0.60, 2: 0.55, 3: 0.52}


def shifted(by, noise=(0.001, -0.001, 0.0005, -0.0005)):
    return {seed: value + by + noise[seed] for seed, value in REFERENCE.items()}


def test_the_interval_is_students_of_paired_differences_widened_by_the_union_bound():
    rivals = {0.1: shifted(-0.05), 0.01: shifted(-0.02), 0.5: shifted(0.01)}
    found = best_rival(REFERENCE, rivals, "lower")
    pairs = [rivals[0.1][seed] - REFERENCE[seed] for seed in REFERENCE]
    quantile = stats.t.ppf(1 - 0.05 / 2 / 3, df=3)
    half = quantile * np.std(pairs, ddof=1) / 2
    assert (found.key, found.tried, found.count) == (0.1, 3, 4)
    assert found.difference == pytest.approx(np.mean(pairs))
    assert found.low == pytest.approx(np.mean(pairs) - half)
    assert found.high == pytest.approx(np.mean(pairs) + half)
    assert (found.verdict, found.agreeing) == (BETTER, 4)


def test_what_is_better_decides_which_rival_is_the_best_and_its_verdict():
    rivals = {1: shifted(-0.05), 2: shifted(0.05)}
    assert best_rival(REFERENCE, rivals, "higher").key == 2
    assert best_rival(REFERENCE, {1: rivals[1]}, "higher").verdict == WORSE
    assert best_rival(REFERENCE, {2: rivals[2]}, "lower").verdict == WORSE
    assert best_rival(REFERENCE, {2: rivals[2]}, "higher").verdict == BETTER


def test_a_clear_difference_of_one_rival_is_unclear_as_the_best_of_many():
    alone = {0: shifted(-0.01, (0.005, -0.005, 0.004, -0.004))}
    assert best_rival(REFERENCE, alone, "lower").verdict == BETTER
    many = alone | {k: shifted(0.2) for k in range(1, 20)}
    assert best_rival(REFERENCE, many, "lower").verdict == UNCLEAR


def test_two_seeds_make_an_interval_and_no_verdict():
    two = {seed: REFERENCE[seed] for seed in (0, 1)}
    found = best_rival(two, {1: shifted(-0.3)}, "lower")
    assert found.count == 2
    assert found.high < 0
    assert found.verdict == UNCLEAR


@pytest.mark.parametrize("rival", [{0: 0.4}, dict.fromkeys(REFERENCE, 0.0)])
def test_one_seed_and_seeds_that_differ_alike_have_no_interval(rival):
    reference = {0: 0.5} if len(rival) == 1 else dict.fromkeys(REFERENCE, 0.1)
    found = best_rival(reference, {1: rival}, "lower")
    assert (found.low, found.high, found.verdict) == (None, None, UNCLEAR)


def test_a_reference_that_shares_no_seed_is_compared_with_nothing():
    assert best_rival({7: 0.1}, {1: shifted(0)}, "lower") is None
    assert best_rival(REFERENCE, {}, "lower") is None


def test_wrong_arguments_are_refused():
    with pytest.raises(
        ValueError, match=r"^better must be lower or higher, got 'up'\."
    ):
        best_rival(REFERENCE, {}, "up")
    with pytest.raises(ValueError, match="finite"):
        best_rival(REFERENCE, {1: {0: float("nan")}}, "lower")


def test_of_rivals_that_are_all_alike_few_are_called_better():
    # With 8 rivals of equal means, an interval for one would call far too many better.
    rng = np.random.default_rng(0)
    count = 400
    false = 0
    for _ in range(count):
        reference = dict(enumerate(rng.normal(size=4)))
        rivals = {k: dict(enumerate(rng.normal(size=4))) for k in range(8)}
        false += best_rival(reference, rivals, "lower").verdict == BETTER
    # At most 2.5 % (one side) in the long run; the bound is that plus four deviations.
    assert false / count <= 0.025 + 4 * (0.025 * 0.975 / count) ** 0.5
