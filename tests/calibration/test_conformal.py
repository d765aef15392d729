"""Conformal predictors: what they promise, by hand, brute force and simulation."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from sklearn.exceptions import NotFittedError

from calibration.conformal import (
    ConformalAPS,
    ConformalRAPS,
    ConformalTHR,
    _uniforms,
)
from tests.calibration.examples import random_labels, random_probabilities

PREDICTORS = [
    ConformalTHR,
    ConformalAPS,
    lambda alpha=0.1: ConformalAPS(alpha, randomized=False),
    ConformalRAPS,
    lambda alpha=0.1: ConformalRAPS(alpha, 0.2, 1, randomized=False),
]
each_predictor = pytest.mark.parametrize("predictor", PREDICTORS)


def drawn(count, seed, num_classes=5):
    """Probabilities, and labels drawn from sharper ones: an underconfident model."""
    probabilities = random_probabilities(count, num_classes, seed=seed)
    sharper = probabilities**2 / (probabilities**2).sum(axis=1, keepdims=True)
    uniform = np.random.default_rng((seed, 1)).random((count, 1))
    labels = (sharper.cumsum(axis=1) < uniform).sum(axis=1)
    return probabilities, np.minimum(labels, num_classes - 1)


def test_thr_by_hand():
    """Scores 0.1, 0.4, 0.2, 0.8; of alpha 0.4 the third of (4 + 1) * 0.6."""
    first = np.array([0.9, 0.6, 0.8, 0.2])
    thr = ConformalTHR(0.4).fit(np.stack([first, 1 - first], 1), np.zeros(4, dtype=int))
    assert thr.quantile_ == pytest.approx(0.4)
    assert (thr.num_fit_, thr.num_classes_) == (4, 2)
    sets = thr.predict([[0.7, 0.3], [0.5, 0.5], [0.39, 0.61]])
    assert np.array_equal(sets, [[True, False], [False, False], [False, True]])


def test_aps_by_hand():
    """Sums up to the true class: 0.5, 0.8, 1.0; of alpha 0.5 the second of 4 * 0.5."""
    rows = np.tile([0.3, 0.5, 0.2], (3, 1))
    aps = ConformalAPS(0.5, randomized=False).fit(rows, [1, 0, 2])
    assert aps.quantile_ == pytest.approx(0.8)
    sets = aps.predict([[0.2, 0.1, 0.7], [0.4, 0.35, 0.25], [0.05, 0.9, 0.05]])
    expected = [[False, False, True], [True, True, False], [False, False, False]]
    assert np.array_equal(sets, expected)


def test_raps_by_hand():
    """Sums 0.5, 0.8, 1.0 with a penalty of 0.3 for each rank beyond 1."""
    rows = np.tile([0.3, 0.5, 0.2], (3, 1))
    raps = ConformalRAPS(0.5, 0.3, 1, randomized=False).fit(rows, [1, 0, 2])
    assert raps.quantile_ == pytest.approx(1.1)
    sets = raps.predict([[0.2, 0.1, 0.7], [0.4, 0.35, 0.25], [0.45, 0.05, 0.5]])
    expected = [[False, False, True], [True, True, False], [True, False, True]]
    assert np.array_equal(sets[:2], expected[:2])
    assert sets[2, 2]
    assert not sets[2, 1]


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(("penalty", "k_reg"), [(0, 0), (0.1, 2)])
def test_sets_without_randomisation_are_a_loop_over_ranked_classes(
    alpha, penalty, k_reg
):
    calibration, labels = drawn(60, 0)
    test, _ = drawn(40, 1)

    def score(row, label):
        ranked = sorted(range(len(row)), key=lambda c: (-row[c], c))
        rank = ranked.index(label) + 1
        total = sum(row[c] for c in ranked[:rank])
        return min(total, 1) + penalty * max(0, rank - k_reg)

    scores = sorted(score(*pair) for pair in zip(calibration, labels, strict=True))
    quantile = scores[int(np.ceil(61 * (1 - alpha) - 1e-9)) - 1]
    expected = [[score(row, c) <= quantile + 1e-12 for c in range(5)] for row in test]
    raps = ConformalRAPS(alpha, penalty, k_reg, randomized=False)
    assert np.array_equal(raps.fit(calibration, labels).predict(test), expected)
    if penalty == 0:
        aps = ConformalAPS(alpha, randomized=False).fit(calibration, labels)
        assert np.array_equal(aps.predict(test), expected)


@each_predictor
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_sets_cover_as_often_as_promised(predictor, alpha):
    """500 splits of 99 calibration and 50 test examples.

    Without ties P(covered) is exactly k / 100, with k = 100 (1 - alpha), and a split's
    coverage is that of Beta(k, 100 - k): its variance c (1 - c) / 101, and that of 50
    trials given it, c (1 - c) / 50, give the mean of 500 splits a deviation s; 4 s are
    allowed. Ties (probabilities summing to exactly 1) can only add.
    """
    covered = []
    for seed in range(500):
        rows, labels = drawn(149, seed)
        sets = predictor(alpha).fit(rows[:99], labels[:99]).predict(rows[99:])
        covered.append(sets[np.arange(50), labels[99:]].mean())
    promise = 1 - alpha
    deviation = np.sqrt(promise * alpha * (1 / 101 + 1 / 50) / 500)
    assert np.mean(covered) >= promise - 4 * deviation
    if predictor in {ConformalTHR, ConformalAPS, ConformalRAPS}:
        assert np.mean(covered) <= promise + 4 * deviation
        # Between splits coverage varies as Beta and binomial do, within 25 % of s
        # (the deviation of a sample's s over 500 is 3 %).
        spread = stats.betabinom(50, 100 * promise, 100 * alpha).std() / 50
        assert np.std(covered) == pytest.approx(spread, rel=0.25)


@each_predictor
def test_ties_only_add_coverage(predictor):
    """Three distinct rows: many scores are equal, and k/n is exceeded, not missed."""
    rng = np.random.default_rng(0)
    kinds = np.array([[0.5, 0.3, 0.2], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    covered = []
    for _ in range(300):
        rows = kinds[rng.integers(3, size=80)]
        labels = rng.integers(3, size=80)
        sets = predictor(0.2).fit(rows[:39], labels[:39]).predict(rows[39:])
        covered.append(sets[np.arange(41), labels[39:]].mean())
    deviation = np.sqrt(0.8 * 0.2 * (1 / 41 + 1 / 41) / 300)
    assert np.mean(covered) >= 0.8 - 4 * deviation


@each_predictor
def test_an_example_of_the_quantiles_score_is_covered(predictor):
    """The guarantee counts on ties, which another rounding in predict would break."""
    rows, labels = drawn(199, 3, num_classes=50)
    for alpha in (0.05, 0.1, 0.35):
        fitted = predictor(alpha).fit(rows, labels)
        if getattr(fitted, "randomized", False):
            continue
        held = fitted.predict(rows)[np.arange(199), labels].sum()
        assert held == round(200 * (1 - alpha))


@each_predictor
def test_sets_shrink_as_alpha_grows(predictor):
    rows, labels = drawn(300, 0)
    sets = [
        predictor(alpha).fit(rows[:200], labels[:200]).predict(rows[200:])
        for alpha in (0.02, 0.1, 0.3, 0.7)
    ]
    for larger, smaller in pairwise(sets):
        assert np.all(larger >= smaller)
        assert larger.sum() > smaller.sum()


def test_sets_of_aps_hold_the_most_probable_classes():
    rows, labels = drawn(300, 0)
    for predictor in PREDICTORS:
        sets = predictor(0.2).fit(rows, labels).predict(rows)
        inside = np.where(sets, rows, 2).min(axis=1)
        outside = np.where(sets, -1, rows).max(axis=1)
        assert np.all(inside >= outside)


@each_predictor
@pytest.mark.parametrize("count", [1, 8])
def test_too_few_examples_give_full_sets(predictor, count):
    """The (n + 1) * 0.9-th of n scores is beyond the last up to n = 8, not at 9."""
    rows, labels = drawn(300, 2)
    assert predictor().fit(rows[:count], labels[:count]).predict(rows).all()
    nine = predictor().fit(rows[:9], np.argmax(rows[:9], axis=1))
    assert not nine.predict(rows).all()
    assert np.isfinite(nine.quantile_)


@each_predictor
def test_the_only_class_is_in_every_set(predictor):
    rows, labels = np.ones((20, 1)), np.zeros(20, dtype=int)
    assert predictor().fit(rows, labels).predict(rows).all()


@pytest.mark.parametrize("alpha", [i / 100 for i in range(1, 100)])
def test_the_rank_is_not_moved_by_rounding(alpha):
    """Of 99 scores 1..99 in hundredths the quantile is that of rank 100 (1 - alpha)."""
    scores = np.arange(1, 100) / 100
    rows = np.stack([1 - scores, scores], axis=1)
    thr = ConformalTHR(alpha).fit(rows, np.zeros(99, dtype=int))
    assert thr.quantile_ == pytest.approx(1 - alpha)


def test_samples_are_judged_by_their_mean():
    samples, labels = random_probabilities(4, 50, 3), random_labels(50, 3)
    for predictor in PREDICTORS:
        fitted = predictor().fit(samples, labels)
        again = predictor().fit(samples.mean(axis=0), labels)
        assert fitted.quantile_ == again.quantile_
        assert np.array_equal(fitted.predict(samples), again.predict(samples.mean(0)))


def test_an_example_has_the_same_set_in_any_order_and_batch():
    rows, labels = drawn(200, 0)
    order = np.random.default_rng(0).permutation(200)
    fitted = ConformalAPS().fit(rows, labels)
    sets = fitted.predict(rows)
    assert np.array_equal(fitted.predict(rows[order[:30]]), sets[order[:30]])
    assert np.array_equal(fitted.predict(np.asfortranarray(rows)), sets)
    shuffled = ConformalAPS().fit(rows[order], labels[order])
    assert shuffled.quantile_ == fitted.quantile_


@pytest.mark.parametrize("rows", [drawn(20_000, 0)[0], np.linspace(0, 1, 20_001)[1:]])
def test_random_numbers_are_uniform_and_tell_nothing_of_the_row(rows):
    """Kolmogorov's statistic exceeds 1.95 / sqrt(N) once in 1,000 times."""
    rows = rows if rows.ndim == 2 else np.stack([1 - rows, rows], axis=1)
    numbers = _uniforms(rows, 0)
    assert stats.kstest(numbers, "uniform").statistic < 1.95 / np.sqrt(20_000)
    for other in (rows[:, 0], rows.max(axis=1), _uniforms(rows, 1), numbers[::-1]):
        assert abs(stats.spearmanr(numbers, other).statistic) < 3.3 / np.sqrt(20_000)
    assert abs(stats.spearmanr(numbers[1:], numbers[:-1]).statistic) < 0.024


def test_randomness_is_that_of_the_seed():
    rows, labels = drawn(200, 0)
    sets = [ConformalAPS(seed=s).fit(rows, labels).predict(rows) for s in (0, 0, 1)]
    assert np.array_equal(sets[0], sets[1])
    assert not np.array_equal(sets[0], sets[2])


def test_randomisation_makes_sets_smaller():
    rows, labels = drawn(2000, 0)
    sizes = [
        ConformalAPS(randomized=flag).fit(rows, labels).predict(rows).sum()
        for flag in (True, False)
    ]
    assert sizes[0] < sizes[1]


def test_a_penalty_beyond_all_classes_is_none():
    rows, labels = drawn(200, 0)
    aps = ConformalAPS().fit(rows, labels).predict(rows)
    assert np.array_equal(
        aps, ConformalRAPS(0.1, 5.0, 5).fit(rows, labels).predict(rows)
    )
    raps = ConformalRAPS(0.1, 5.0, 1).fit(rows, labels).predict(rows)
    assert not np.array_equal(aps, raps)


@each_predictor
def test_use_before_fit_is_refused(predictor):
    with pytest.raises(NotFittedError, match="Call fit before predict of Conformal"):
        predictor().predict([[0.5, 0.5]])


@each_predictor
def test_other_classes_are_refused(predictor):
    fitted = predictor().fit(*drawn(20, 0))
    with pytest.raises(ValueError, match="must have the 5 classes of fit, got 2"):
        fitted.predict([[0.5, 0.5]])


@each_predictor
@pytest.mark.parametrize("alpha", [0, 1, -0.1, np.nan])
def test_an_impossible_alpha_is_refused(predictor, alpha):
    with pytest.raises(ValueError, match="alpha must be between 0 and 1, got"):
        predictor(alpha)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"penalty": -1}, "penalty must be finite and at least 0, got -1"),
        ({"penalty": np.inf}, "got inf"),
        ({"k_reg": -1}, "k_reg must be an integer"),
        ({"k_reg": 1.5}, "k_reg must be an integer"),
    ],
)
def test_impossible_regularisation_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        ConformalRAPS(**arguments)


@each_predictor
def test_bad_input_is_refused(predictor):
    rows, labels = drawn(20, 0)
    with pytest.raises(ValueError, match="must sum to 1"):
        predictor().fit(rows / 2, labels)
    with pytest.raises(ValueError, match="labels must be in"):
        predictor().fit(rows, labels + 5)
    with pytest.raises(ValueError, match="must be finite"):
        predictor().fit(rows, labels).predict(rows * np.nan)


def test_importing_does_not_load_scikit_learn():
    code = "import sys, calibration.conformal; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("seed", [None, -1, 0.5, True])
@pytest.mark.parametrize("predictor", [ConformalAPS, ConformalRAPS])
def test_a_bad_seed_is_refused_at_once(predictor, seed):
    with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
        predictor(seed=seed)


def test_text_is_no_alpha_and_no_penalty():
    with pytest.raises(ValueError, match=r"alpha must be between 0 and 1, got '0\.1'"):
        ConformalTHR("0.1")
    with pytest.raises(ValueError, match="penalty must be finite"):
        ConformalRAPS(penalty="0.1")
