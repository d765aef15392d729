"""Differences of two runs on the same examples: loops, scipy, simulations."""

import numpy as np
import pytest
from scipy import stats

from calibration.comparison import paired_bootstrap, paired_differences
from calibration.metrics import (
    accuracy,
    brier_score,
    negative_log_likelihood,
)
from calibration.reliability import reliability_diagram
from tests.calibration.examples import random_labels, random_probabilities, two_classes

NAMES = ("accuracy", "nll", "brier", "ece")
each_name = pytest.mark.parametrize("name", NAMES)


def two_runs(count, seed=0, num_classes=4, change=0.5):
    """Two runs that agree on most examples."""
    labels = random_labels(count, num_classes, seed=seed)
    first = random_probabilities(count, num_classes, seed=seed)
    first[np.arange(count), labels] += 0.3
    second = first + change * random_probabilities(count, num_classes, seed=seed + 1)
    return *(p / p.sum(axis=1, keepdims=True) for p in (first, second)), labels


def ece(probabilities, labels):
    return reliability_diagram(probabilities, labels).ece


def labels_of(confidence, rng):
    """Labels of `two_classes(*confidence)` whose frequencies are the probabilities."""
    return (rng.random(len(confidence)) < confidence).astype(int)


def test_values_are_differences_of_the_measures():
    first, second, labels = two_runs(300)
    found = paired_differences(first, second, labels)
    measures = (accuracy, negative_log_likelihood, brier_score, ece)
    assert tuple(found) == NAMES
    for name, measure in zip(NAMES, measures, strict=True):
        expected = measure(first, labels) - measure(second, labels)
        assert found[name] == pytest.approx(expected, abs=1e-12)
        assert found[name].count == 300


def test_per_example_losses_have_the_interval_of_the_paired_t_test():
    first, second, labels = two_runs(200)
    found = paired_differences(first, second, labels)
    rows = np.arange(200)
    losses = {
        "accuracy": lambda p: (p.argmax(axis=1) == labels).astype(float),
        "nll": lambda p: -np.log(p[rows, labels]),
        "brier": lambda p: ((p - np.eye(4)[labels]) ** 2).sum(axis=1),
    }
    for name, loss in losses.items():
        test = stats.ttest_rel(loss(first), loss(second))
        interval = test.confidence_interval(0.95)
        ends = found[name].low, found[name].high
        assert ends == pytest.approx((interval.low, interval.high), rel=1e-9)
        assert found[name].method == "Student t"
        # One-sided: the bootstrap of a mean is normal, give or take what 1,000
        # replicates can tell, 4 * 0.5 / sqrt(1000) = 0.063.
        tail = test.pvalue / 2
        expected = tail if found[name] < 0 else 1 - tail
        assert found[name].share_above_zero == pytest.approx(expected, abs=0.07)


def test_pairing_narrows_the_interval():
    first, second, labels = two_runs(500, change=0.1)
    found = paired_differences(first, second, labels)["brier"]
    apart = [brier_score(p, labels) for p in (first, second)]
    widths = [each.high - each.low for each in (found, *apart)]
    assert widths[0] < 0.5 * min(widths[1:])


def test_identical_runs_do_not_differ_at_all():
    first, _, labels = two_runs(100)
    for found in paired_differences(first, first, labels).values():
        assert (float(found), found.low, found.high) == (0, 0, 0)
        assert found.share_above_zero == 0.5
    found = paired_bootstrap(ece, first, first, labels, replicates=20)
    assert (float(found), found.low, found.high) == (0, 0, 0)
    assert found.share_above_zero == 0.5


@pytest.mark.parametrize("groups", [None, np.arange(300) // 3])
def test_exchanging_the_runs_changes_the_sign(groups):
    first, second, labels = two_runs(300)
    one = paired_differences(first, second, labels, groups=groups)
    two = paired_differences(second, first, labels, groups=groups)
    one["any"], two["any"] = (
        paired_bootstrap(ece, *runs, labels, replicates=50, groups=groups)
        for runs in ((first, second), (second, first))
    )
    for name, found in one.items():
        other = two[name]
        assert -found == pytest.approx(float(other), abs=1e-12)
        assert (-found.high, -found.low) == pytest.approx((other.low, other.high))
        assert 1 - found.share_above_zero == pytest.approx(other.share_above_zero)
        ends = [1 - share for share in reversed(other.share_range)]
        assert found.share_range == pytest.approx(ends)
        assert found.share_above_zero in found.share_range


@pytest.mark.parametrize("name", ["accuracy", "nll", "brier"])
def test_intervals_of_means_cover_the_truth(name):
    """Second runs are first ones with classes exchanged at random: the truth is 0.

    Of 400 sets 95 % +- 4 standard errors of 1.1 % cover; per-example differences are
    symmetric around 0.
    """
    rng = np.random.default_rng(0)
    covered = []
    for seed in range(400):
        first, second, labels = two_runs(60, seed)
        flip = rng.random((60, 1)) < 0.5
        pair = np.where(flip, first, second), np.where(flip, second, first)
        found = paired_differences(*pair, labels, (name,))[name]
        covered.append(found.low <= 0 <= found.high)
    assert 0.95 - 0.044 <= np.mean(covered) <= 0.95 + 0.044


@pytest.mark.parametrize(
    ("shifts", "truth"),
    [
        ((0.0, 0.0), 0.0),  # both calibrated
        ((0.2, 0.0), 0.1),  # one is not, whose noise adds nothing
        ((0.0, 0.2), -0.1),
        ((0.2, 0.1), 0.05),
        ((0.04, 0.0), 0.02),  # gaps of the size of the noise
    ],
)
def test_intervals_of_the_calibration_error_cover_the_truth(shifts, truth):
    """Confidences are the truth plus half a shift, which is the gap in every bin.

    Of 100 sets at least 95 % - 3 * 2.2 % cover; the interval is wide by design.
    """
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(100):
        real = 0.6 + 0.15 * rng.random(1000)
        labels = labels_of(real, rng)
        runs = [two_classes(*(real + shift / 2)) for shift in shifts]
        found = paired_differences(*runs, labels, ("ece",))["ece"]
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) >= 0.95 - 0.066


def test_bins_that_agree_add_no_width():
    """The runs differ in 200 examples, on either side of the truth; 1,800 cancel."""
    rng = np.random.default_rng(0)
    agreed = 0.55 + 0.1 * rng.random(1800)
    runs = [
        two_classes(*np.concatenate([agreed, np.full(200, confidence)]))
        for confidence in (0.95, 0.72)
    ]
    labels = labels_of(np.concatenate([agreed, np.full(200, 0.85)]), rng)
    found = paired_differences(*runs, labels, ("ece",))["ece"]
    rest = *(p[1800:] for p in runs), labels[1800:]
    alone = paired_differences(*rest, ("ece",))["ece"]
    assert found == pytest.approx(alone / 10)
    width = (alone.high - alone.low) / 10
    # Resampled by 1,000 groups of two instead of 200 examples; see test_intervals.
    assert found.high - found.low == pytest.approx(width, rel=0.25)


def test_samples_may_be_many_or_averaged():
    samples, labels = random_probabilities(6, 80, 3), random_labels(80, 3)
    second = random_probabilities(2, 80, 3, seed=5)
    found = paired_differences(samples, second, labels)
    again = paired_differences(samples.mean(axis=0), second.mean(axis=0), labels)
    for name in NAMES:
        assert found[name].as_dict() == again[name].as_dict()


def test_any_measure_gives_what_the_mean_gives():
    """Two bootstraps of 1,000 each find ends within 20 % of the half-width."""
    first, second, labels = two_runs(200)
    exact = paired_differences(first, second, labels)["brier"]
    found = paired_bootstrap(brier_score, first, second, labels)
    assert found == pytest.approx(float(exact))
    half = (exact.high - exact.low) / 2
    assert found.low == pytest.approx(exact.low, abs=0.2 * half)
    assert found.high == pytest.approx(exact.high, abs=0.2 * half)
    assert (found.count, found.method) == (200, "bootstrap")


def test_any_measure_is_given_samples_as_they_are():
    samples, labels = random_probabilities(6, 30, 3), random_labels(30, 3)
    shapes = set()

    def measure(probabilities, classes):
        shapes.add((probabilities.shape, classes.shape))
        return probabilities.var(axis=-2).mean()

    paired_bootstrap(measure, samples, samples.mean(axis=0), labels, replicates=3)
    assert shapes == {((6, 30, 3), (30,)), ((30, 3), (30,))}


def test_the_same_examples_are_drawn_for_both():
    """The first row drawn is the same: its largest probability differs by exactly 0."""
    first, _, labels = two_runs(50)

    def first_of_rows(probabilities, classes):
        return probabilities[0].max()

    found = paired_bootstrap(first_of_rows, first, first[:, ::-1], labels)
    assert (found.low, found.high) == (0, 0)


def test_seed_and_replicates_are_the_callers():
    first, second, labels = two_runs(50)
    calls = []

    def counted(probabilities, classes):
        calls.append(1)
        return accuracy(probabilities, classes)

    paired_bootstrap(counted, first, second, labels, replicates=7)
    assert len(calls) == 2 * 8
    runs = [
        paired_bootstrap(brier_score, first, second, labels, seed=seed, replicates=50)
        for seed in (0, 0, 1)
    ]
    assert runs[0].as_dict() == runs[1].as_dict() != runs[2].as_dict()


def test_clusters_are_drawn_whole():
    first, second, labels = two_runs(60)
    groups = np.repeat(["a", "b", "c", "d", "e", "f"], 10)
    order = np.random.default_rng(0).permutation(60)

    def counts(probabilities, classes):
        places = (first[:, None] == probabilities).all(-1).sum(1)
        assert all(len(set(places[groups == name])) == 1 for name in "abcdef")
        return 0.0

    paired_bootstrap(counts, first, first, labels, replicates=10, groups=groups)
    args = first[order], second[order], labels[order]
    paired_bootstrap(brier_score, *args, replicates=10, groups=groups[order])


def test_clusters_count_once():
    first, second, labels = two_runs(80)
    once = paired_differences(first, second, labels)
    copies = [np.repeat(each, 4, axis=0) for each in (first, second, labels)]
    found = paired_differences(*copies, groups=np.repeat(np.arange(80), 4))
    for name in NAMES:
        ends = once[name].low, once[name].high
        assert (found[name].low, found[name].high) == pytest.approx(ends)
        assert found[name].share_above_zero == once[name].share_above_zero
    fours = {"replicates": 300, "groups": np.repeat(np.arange(80), 4)}
    any_once = paired_bootstrap(ece, first, second, labels, replicates=300)
    any_found = paired_bootstrap(ece, *copies, **fours)
    assert any_found.low == pytest.approx(any_once.low)


def test_one_example_says_nothing_of_spread():
    runs = two_classes(0.9), two_classes(0.6), [1]
    bounds = {"accuracy": 1, "nll": 708.4, "brier": 2, "ece": 1}
    for name, found in paired_differences(*runs).items():
        assert (found.low, found.high) == pytest.approx(
            (-bounds[name], bounds[name]), rel=1e-3
        )
        assert found.share_above_zero == 0.5
    found = paired_bootstrap(brier_score, *runs, bounds=(-2, 2), replicates=5)
    assert (found.low, found.high) == (-2, 2)
    with pytest.raises(ValueError, match="bounds must be finite"):
        paired_bootstrap(brier_score, *runs, replicates=5)


def test_probabilities_of_zero_and_one_stay_finite():
    certain = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = paired_differences(certain, 1 - certain, [0, 1, 1])
    for each in found.values():
        assert np.all(np.isfinite([float(each), each.low, each.high]))


def test_replicates_without_a_number_are_left_out():
    first, second, labels = two_runs(3, num_classes=3)

    def picky(probabilities, classes):
        return probabilities[0, 0] if len(set(classes)) > 1 else np.nan

    found = paired_bootstrap(picky, first, second, labels)
    assert np.all(np.isfinite([found.low, found.high, found.share_above_zero]))
    with pytest.raises(ValueError, match="measure must give finite numbers"):
        paired_bootstrap(lambda p, y: np.nan, first, second, labels)


@each_name
def test_names_choose(name):
    first, second, labels = two_runs(40)
    found = paired_differences(first, second, labels, (name,))
    assert list(found) == [name]
    every = paired_differences(first, second, labels)
    assert found[name].as_dict() == every[name].as_dict()


def test_bins_are_the_callers():
    first, second, labels = two_runs(200)
    found = paired_differences(first, second, labels, ("ece",), num_bins=3)["ece"]
    gaps = [reliability_diagram(p, labels, 3).ece for p in (first, second)]
    assert found == pytest.approx(gaps[0] - gaps[1])


@pytest.mark.parametrize(
    "compare", [paired_differences, lambda *a: paired_bootstrap(accuracy, *a)]
)
def test_runs_on_other_examples_are_refused(compare):
    first, second, labels = two_runs(20)
    text = r"second must have .* \(19, 4\) against \(20, 4\)"
    with pytest.raises(ValueError, match=text):
        compare(first, second[:19], labels)
    with pytest.raises(ValueError, match="second must have"):
        compare(first, random_probabilities(20, 3), labels)
    with pytest.raises(ValueError, match="second must sum to 1"):
        compare(first, second / 2, labels)
    with pytest.raises(ValueError, match="labels must have one entry"):
        compare(first, second, labels[:19])


def test_other_names_are_refused():
    with pytest.raises(ValueError, match=r"names must be among .* got 'f1'"):
        paired_differences(*two_runs(9), ("accuracy", "f1"))
    with pytest.raises(ValueError, match="replicates must be"):
        paired_bootstrap(accuracy, *two_runs(9), replicates=0)
    with pytest.raises(ValueError, match="num_bins must be"):
        paired_differences(*two_runs(9), num_bins=0)


def test_one_name_may_stand_alone_and_seeds_are_checked():
    rows, labels = random_probabilities(20, 3), random_labels(20, 3)
    assert list(paired_differences(rows, rows, labels, "ece")) == ["ece"]
    with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
        paired_bootstrap(lambda p, y: 0.0, rows, rows, labels, seed=-1)
