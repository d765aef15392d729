"""Comparing recalibrations: roles of the data, scores, and the choice."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from calibration.measures import headline
from calibration.recalibration import (
    DEFAULT_METHODS,
    Identity,
    IsotonicCalibration,
    TemperatureScaling,
    best,
    compare_recalibrations,
    left_out,
    split_half,
)
from calibration.recalibration.choose import _in_parts
from tests.calibration.examples import random_labels, random_probabilities
from tests.calibration.recalibration.data import drawn_labels, miscalibrated, nll

FIT = miscalibrated(400, 4, seed=0)
SCORED = miscalibrated(300, 4, seed=10)


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, estimate in found.items():
        assert estimate.as_dict() == expected[name].as_dict()


@pytest.fixture(scope="module")
def results():
    return compare_recalibrations(*FIT, *SCORED)


class TestCompare:
    def test_all_methods_in_their_order(self, results):
        assert [result.name for result in results] == list(DEFAULT_METHODS)
        numbers = {result.name: result.num_parameters for result in results}
        assert numbers["none"] == 0
        assert numbers["temperature"] == 1
        assert numbers["vector"] == 8

    def test_maps_are_fitted_on_the_fitting_data_alone(self, results):
        for result in results:
            expected = (
                clone(DEFAULT_METHODS[result.name]).fit(*FIT).transform(SCORED[0])
            )
            np.testing.assert_array_equal(result.probabilities, expected)

    def test_scores_are_those_of_the_scored_data(self, results):
        for result in results:
            same(result.before, headline(*SCORED))
            same(result.after, headline(result.probabilities, SCORED[1]))

    def test_the_difference_is_paired(self, results):
        for result in results:
            difference = result.nll_difference
            change = result.after["nll"] - result.before["nll"]
            assert difference == pytest.approx(change, abs=1e-12)
            assert difference.count == 300
        width = {r.name: r.nll_difference.high - r.nll_difference.low for r in results}
        before = results[0].before["nll"]
        # Pairing removes what both have in common.
        assert width["temperature"] < before.high - before.low
        assert width["none"] == pytest.approx(0, abs=1e-12)

    def test_methods_are_copied(self, results):
        assert all(not hasattr(m, "num_classes_") for m in DEFAULT_METHODS.values())
        assert results[0].recalibration is not DEFAULT_METHODS["none"]

    def test_samples_and_float32(self):
        samples = random_probabilities(3, 200, 4, dtype=np.float32)
        labels = random_labels(200, 4)
        for result in compare_recalibrations(samples, labels, samples, labels):
            assert result.probabilities.shape == (200, 4)

    def test_num_bins_are_those_of_the_calibration_error(self):
        methods = {"none": Identity()}
        (result,) = compare_recalibrations(*FIT, *SCORED, methods, num_bins=3)
        same(result.before, headline(*SCORED, num_bins=3))

    def test_one_scored_example(self):
        for result in compare_recalibrations(*FIT, SCORED[0][:1], SCORED[1][:1]):
            assert np.isfinite(result.nll_difference.high)

    def test_one_fitting_example_is_refused(self):
        with pytest.raises(ValueError, match="at least 2 examples, got 1"):
            compare_recalibrations(FIT[0][:1], FIT[1][:1], *SCORED)

    def test_other_classes_are_refused(self):
        with pytest.raises(ValueError, match="have the 4 classes of fit_prob"):
            compare_recalibrations(*FIT, *miscalibrated(20, 3))


class TestCrossValidation:
    def test_of_no_map_is_the_nll_of_the_fitting_data(self, results):
        assert results[0].validation_nll == pytest.approx(nll(*FIT))

    def test_by_hand(self, results):
        fold = _in_parts(FIT[1], 5, seed=0)
        losses = np.empty(400)
        for index in range(5):
            held = fold == index
            fitted = TemperatureScaling().fit(FIT[0][~held], FIT[1][~held])
            rows = fitted.transform(FIT[0][held])
            losses[held] = -np.log(rows[np.arange(len(rows)), FIT[1][held]])
        found = {result.name: result.validation_nll for result in results}
        assert found["temperature"] == pytest.approx(losses.mean())
        assert found["temperature"].count == 400

    def test_sees_what_the_fitting_data_hides(self):
        probabilities = random_probabilities(100, 5)
        labels = drawn_labels(probabilities)  # nothing is to be learned
        found = compare_recalibrations(
            probabilities, labels, probabilities, labels,
            {"none": Identity(), "isotonic": IsotonicCalibration()},
        )  # fmt: skip
        assert found[1].after["nll"] < found[0].after["nll"]
        assert best(found).name == "none"

    def test_is_of_a_part_of_very_many_examples(self, monkeypatch):
        monkeypatch.setattr("calibration.recalibration.choose.MAX_CROSS_VALIDATED", 50)
        (result,) = compare_recalibrations(*FIT, *SCORED, {"T": TemperatureScaling()})
        assert result.validation_nll.count == 50
        full = TemperatureScaling().fit(*FIT).temperature_
        assert result.recalibration.temperature_ == full

    def test_two_examples(self):
        found = compare_recalibrations(FIT[0][:2], FIT[1][:2], *SCORED)
        assert [result.name for result in found] == ["none", "temperature"]


class TestBest:
    def test_is_of_least_validation_nll_whatever_the_scores(self, results):
        chosen = best(results)
        assert chosen.validation_nll == min(r.validation_nll for r in results)
        others = [dataclasses.replace(r, after=results[0].after) for r in results]
        assert best(others).name == chosen.name

    def test_is_the_first_of_equals(self, results):
        twin = dataclasses.replace(results[0], name="twin")
        assert best([results[0], twin]).name == "none"
        assert best([twin, results[0]]).name == "twin"

    def test_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="at least one result"):
            best([])


def test_methods_left_out_have_a_reason_and_no_result():
    found = compare_recalibrations(FIT[0][:10], FIT[1][:10], *SCORED)
    reasons = left_out(10, 4)
    assert reasons == {
        "beta": "needs at least 12 examples, got 10",
        "matrix": "needs at least 20 examples, got 10",
        "histogram": "needs at least 15 examples, got 10",
    }
    assert [r.name for r in found] == [n for n in DEFAULT_METHODS if n not in reasons]
    assert left_out(10**6, 200) == {"matrix": "takes at most 100 classes, got 200"}
    assert left_out(10**4, 10) == {}


class TestSplitHalf:
    @pytest.mark.parametrize("num_examples", [2, 3, 10, 101])
    def test_every_example_is_in_one_half(self, num_examples):
        labels = np.arange(num_examples) % 3
        fit, score = split_half(num_examples, labels)
        assert len(score) == num_examples // 2
        np.testing.assert_array_equal(
            np.sort(np.concatenate([fit, score])), np.arange(num_examples)
        )
        assert np.all(np.diff(fit) > 0)
        assert np.all(np.diff(score) > 0)

    def test_classes_are_shared_out_evenly(self):
        labels = np.repeat([0, 1, 2, 3], [40, 7, 1, 3])
        halves = split_half(len(labels), labels)
        counts = [np.bincount(labels[half], minlength=4) for half in halves]
        assert np.abs(counts[0] - counts[1]).max() <= 1

    def test_the_seed_decides(self):
        labels = random_labels(100, 4)
        first, again = split_half(100, labels)[0], split_half(100, labels)[0]
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, split_half(100, labels, seed=1)[0])

    def test_too_few_examples(self):
        with pytest.raises(ValueError, match="num_examples must be at least 2, got 1"):
            split_half(1, np.array([0]))
        with pytest.raises(ValueError, match="labels must have one entry"):
            split_half(3, np.array([0, 1]))


def test_calibration_itself_loads_no_scikit_learn():
    code = "import sys, calibration; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
