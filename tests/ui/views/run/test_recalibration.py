"""Tests of `ui/views/run/recalibration.py`."""

import numpy as np
import pytest

from calibration import (
    adaptive_calibration_error,
    classwise_calibration_error,
    headline,
    maximum_calibration_error,
    paired_differences,
    predictive,
)
from calibration.recalibration import TemperatureScaling, split_half
from calibration.report.measuring import fitted as measuring
from tests.ui import fakes
from trainers.report import run_predictions
from trainers.runs import RunError
from ui.components.predictions import part
from ui.views.run.recalibration import NONE, fitted, halves_of, measured


@pytest.fixture
def run(root):
    return fakes.write_run(root, "a", evaluated=True)


def without_validation(run, rows=slice(None)):
    with np.load(run.predictions) as file:
        arrays = {k: v for k, v in file.items() if not k.startswith("validation")}
    arrays["probabilities"] = arrays["probabilities"][:, rows]
    arrays["labels"] = arrays["labels"][rows]
    np.savez(run.predictions, **arrays)


@pytest.mark.parametrize("held_out", [True, False])
def test_methods_are_those_of_the_report(run, held_out):
    if not held_out:
        without_validation(run)
    (given,) = run_predictions([run])
    mean = predictive(given.probabilities)
    parts = measuring.halves(given, mean, given.labels)
    section = measuring.recalibration(parts, 15)
    found = fitted(run)
    assert found.halves.held_out is held_out
    assert found.best == section.best
    assert found.halves.sentence == section.fitted_on
    for row in section.methods:
        result = found.results[row.name]
        assert found.title(row.name) == row.title
        same = {
            result.after["ece"]: row.metrics["ece"],
            result.nll_difference: row.nll_change,
            result.validation_nll: row.validation_nll,
        }
        assert [*same] == pytest.approx([*same.values()], abs=1e-12)


def test_a_temperature_is_told(run):
    found = fitted(run)
    method = TemperatureScaling().fit(found.halves.fit, found.halves.fit_labels)
    told = found.told("temperature")
    assert told == f"Temperature scaling, T = {method.temperature_:.3g}"
    assert found.told("isotonic") == found.title("isotonic")


def test_rows_are_those_that_are_judged(run):
    assert fitted(run).rows.tolist() == list(range(360))
    without_validation(run)
    found, labels = fitted(run), part(run).labels
    np.testing.assert_array_equal(found.rows, split_half(360, labels)[1])
    np.testing.assert_array_equal(labels[found.rows], found.halves.score_labels)


def test_too_few_examples_are_no_recalibration(run):
    without_validation(run, slice(30))
    assert halves_of(run) is None
    assert fitted(run) is None


def test_fitting_happens_once(run):
    assert fitted(run) is fitted(run)


@pytest.mark.parametrize("num_bins", [5, 15])
def test_measures_are_those_of_the_library(run, num_bins):
    with np.load(run.predictions) as file:
        given = file["probabilities"], file["labels"]
    found = measured(run, NONE, num_bins)
    assert found.after is None
    assert not found.differences
    expected = headline(*given, num_bins) | {
        "adaptive_ece": adaptive_calibration_error(*given, num_bins),
        "classwise_ece": classwise_calibration_error(*given, num_bins),
        "mce": maximum_calibration_error(*given, num_bins),
    }
    for name, value in expected.items():
        assert float(found.before[name]) == pytest.approx(float(value), abs=1e-12)
        assert found.before[name].high == pytest.approx(value.high)


def test_differences_are_paired_on_the_judged_examples(run):
    without_validation(run)
    found, fit = measured(run, "temperature", 10), fitted(run)
    after = fit.results["temperature"].probabilities
    before, labels = fit.halves.score, fit.halves.score_labels
    expected = paired_differences(after, before, labels, num_bins=10)
    assert found.differences == expected
    assert found.before["nll"].count == len(labels) == 180
    change = found.after["nll"] - found.before["nll"]
    assert float(found.differences["nll"]) == pytest.approx(change)


def test_a_damaged_file_is_told(run):
    run.predictions.write_bytes(b"PK")
    with pytest.raises(RunError, match=r"predictions\.npz"):
        fitted(run)
