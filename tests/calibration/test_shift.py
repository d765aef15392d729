"""Tests of accuracy, NLL and ECE under shift."""

import numpy as np
import pytest

from calibration.calibration_errors import expected_calibration_error
from calibration.metrics import accuracy, negative_log_likelihood
from calibration.shift import CLEAN, averaged_kinds, shift_summary, shift_table
from tests.calibration.examples import random_labels, random_probabilities

LABELS = random_labels(200, 4)
CLEAN_ROWS = random_probabilities(200, 4)
SHIFTED = {
    ("snow", 2): random_probabilities(200, 4, seed=2),
    ("fog", 1): random_probabilities(3, 200, 4, seed=3),
    ("snow", 1): random_probabilities(200, 4, seed=4),
}


def test_each_row_has_the_measures_of_its_predictions():
    rows = shift_table(CLEAN_ROWS, SHIFTED, LABELS, num_bins=7)
    order = [(CLEAN, 0), ("snow", 1), ("snow", 2), ("fog", 1)]
    assert [(row.kind, row.severity) for row in rows] == order
    for row in rows:
        given = SHIFTED.get((row.kind, row.severity), CLEAN_ROWS)
        for found, measure in (
            (row.accuracy, accuracy),
            (row.nll, negative_log_likelihood),
        ):
            assert found.as_dict() == measure(given, LABELS).as_dict()
        expected = expected_calibration_error(given, LABELS, 7)
        assert row.ece.as_dict() == expected.as_dict()
        assert row.count == 200


def test_a_summary_averages_over_kinds():
    rows = shift_table(CLEAN_ROWS, SHIFTED, LABELS)
    summary = shift_summary(rows)
    assert [(row.severity, row.num_kinds) for row in summary] == [
        (0, 1),
        (1, 2),
        (2, 1),
    ]
    first, second = rows[1], rows[3]  # snow and fog of severity 1
    for name in ("accuracy", "nll", "ece"):
        pair = float(getattr(first, name)), float(getattr(second, name))
        spread = getattr(summary[1], name)
        assert spread.mean == pytest.approx(sum(pair) / 2)
        assert (spread.smallest, spread.largest) == (min(pair), max(pair))
        alone = getattr(summary[0], name)
        assert alone.mean == alone.smallest == alone.largest
        assert alone.mean == float(getattr(rows[0], name))
    assert shift_summary([]) == []


def test_rotation_is_left_out_of_means_unless_alone():
    rows = shift_table(CLEAN_ROWS, SHIFTED | {("rotation", 1): CLEAN_ROWS}, LABELS)
    assert shift_summary(rows) == shift_summary([
        row for row in rows if row.kind != "rotation"
    ])
    assert averaged_kinds(["clean", "rotation"]) == ["rotation"]
    assert averaged_kinds(["clean", "rotation", "fog", "fog"]) == ["fog"]


def test_without_shifts_there_is_the_clean_row():
    (row,) = shift_table(CLEAN_ROWS[:1], {}, LABELS[:1])
    assert (row.kind, row.severity, row.count) == (CLEAN, 0, 1)


@pytest.mark.parametrize("severity", [0, -1, 1.5, True])
def test_a_severity_is_a_whole_number_above_0(severity):
    with pytest.raises(ValueError, match=f"got {severity!r} of 'fog'"):
        shift_table(CLEAN_ROWS, {("fog", severity): CLEAN_ROWS}, LABELS)


def test_other_arrays_are_refused_by_name():
    with pytest.raises(ValueError, match=r"^clean must"):
        shift_table(np.ones(3), {}, LABELS)
    with pytest.raises(ValueError, match=r"^labels must"):
        shift_table(CLEAN_ROWS, {}, LABELS[:3])
    fewer = {("fog", 3): CLEAN_ROWS[:7]}
    with pytest.raises(ValueError, match=r"shifted\['fog', 3\] .*, got \(7, 4\)"):
        shift_table(CLEAN_ROWS, fewer, LABELS)
    logits = {("fog", 3): 9 * CLEAN_ROWS}
    with pytest.raises(ValueError, match=r"^shifted\['fog', 3\] must be in 0..1"):
        shift_table(CLEAN_ROWS, logits, LABELS)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("fog", "keys .kind, severity.*got 'fog'"),
        (("fog", 1, 2), "keys .kind, severity"),
        ((3, "fog"), "keys .kind, severity"),
        (("clean", 1), "kind must not be 'clean'"),
    ],
)
def test_keys_are_a_kind_and_a_severity(key, text):
    rows = random_probabilities(5, 3)
    with pytest.raises(ValueError, match=text):
        shift_table(rows, {key: rows}, random_labels(5, 3))
