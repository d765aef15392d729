"""Reports on sets of classes, against loops."""

import numpy as np
import pytest

from calibration.intervals import mean, proportion
from calibration.prediction_sets import evaluate_sets

RNG = np.random.default_rng(0)
SETS = RNG.random((200, 12)) < RNG.random((200, 1))
LABELS = RNG.integers(11, size=200)  # class 11 has no example


def same(one, two):
    return one.as_dict() == two.as_dict()


def test_a_report_counts_what_a_loop_counts():
    report = evaluate_sets(SETS, LABELS)
    hits = np.array([SETS[i, LABELS[i]] for i in range(200)])
    sizes = np.array([row.sum() for row in SETS])
    assert same(report.coverage, proportion(hits))
    assert same(report.mean_size, mean(sizes, (0, 12)))
    assert same(report.singletons, proportion(sizes == 1))
    assert same(report.empty, proportion(sizes == 0))
    assert report.num_examples == 200
    assert np.array_equal(report.size_counts, [(sizes == k).sum() for k in range(13)])


def test_coverage_by_size_and_by_class():
    report = evaluate_sets(SETS, LABELS)
    hits, sizes = SETS[np.arange(200), LABELS], SETS.sum(axis=1)
    edges = [(0, 1), (2, 3), (4, 6), (7, 10), (11, 12)]
    assert [(each.smallest, each.largest) for each in report.strata] == edges
    for low, high in edges:
        (found,) = [each for each in report.strata if each.smallest == low]
        assert same(found.coverage, proportion(hits[(sizes >= low) & (sizes <= high)]))
    for c in range(11):
        assert same(report.class_coverage[c], proportion(hits[c == LABELS]))
    assert report.class_coverage[11] is None
    worst = min(each.coverage for each in report.strata)
    assert same(report.worst_size_coverage, worst)
    assert same(report.worst_class_coverage, min(report.class_coverage[:11]))
    assert report.worst_class_coverage.count < 200


def test_one_example_and_one_class():
    report = evaluate_sets([[True]], [0])
    assert (report.coverage, report.mean_size, report.empty) == (1, 1, 0)
    assert [(each.smallest, each.largest) for each in report.strata] == [(0, 1)]
    assert (report.mean_size.low, report.mean_size.high) == (0, 1)


def test_empty_sets_cover_nothing():
    report = evaluate_sets(np.zeros((3, 2), dtype=bool), [0, 1, 1])
    assert (report.coverage, report.empty, report.singletons) == (0, 1, 0)
    assert report.worst_size_coverage == 0


def test_clusters_count_once():
    groups = np.repeat(np.arange(200), 4)
    copies = np.repeat(SETS, 4, axis=0), np.repeat(LABELS, 4)
    once = evaluate_sets(SETS, LABELS, np.arange(200))
    report = evaluate_sets(*copies, groups)
    assert report.coverage.low == pytest.approx(once.coverage.low)
    assert report.mean_size.high == pytest.approx(once.mean_size.high)
    low = [each.coverage.low for each in report.strata]
    assert low == pytest.approx([each.coverage.low for each in once.strata])
    narrow = evaluate_sets(*copies)
    assert narrow.coverage.low > report.coverage.low


@pytest.mark.parametrize("groups", [[1, 2], np.arange(201), np.zeros((200, 1), int)])
def test_groups_are_one_for_each_example(groups):
    with pytest.raises(ValueError, match=r"groups must be a vector .* 200 examples"):
        evaluate_sets(SETS, LABELS, groups)


@pytest.mark.parametrize(
    ("sets", "text"),
    [
        (np.ones(3, dtype=bool), r"must be \[N, C\] and not empty, got shape \(3,\)"),
        (np.ones((0, 3), dtype=bool), "not empty"),
        (np.ones((3, 2)), "must be booleans, .* got dtype float64"),
    ],
)
def test_what_is_no_sets_is_refused(sets, text):
    with pytest.raises(ValueError, match=text):
        evaluate_sets(sets, [0, 0, 0])
    with pytest.raises(ValueError, match="labels must"):
        evaluate_sets(SETS, LABELS + 2)
