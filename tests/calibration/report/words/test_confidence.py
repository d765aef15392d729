"""Sentences on confidence say what the intervals allow, and no more."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.estimate import Estimate
from calibration.report import written
from calibration.report.data import Bin, Reliability
from calibration.report.words.confidence import (
    calibration_sentence,
    recalibration_sentences,
)
from tests.calibration.report.examples import example_model, share

MODEL = example_model(0)
CALIBRATED = (0.006, 0.004, 0.008)


def estimate(value, low, high):
    return Estimate(value, low=low, high=high, count=1000, method="bootstrap")


def a_bin(confidence, accuracy, number=1000):
    half = 2 * np.sqrt(accuracy * (1 - accuracy) / number)
    return Bin(
        lower=confidence - 0.05,
        upper=confidence + 0.05,
        count=number,
        confidence=confidence,
        accuracy=accuracy,
        accuracy_low=accuracy - half,
        accuracy_high=accuracy + half,
    )


def judged(bins, over, ece=(0.05, 0.04, 0.06), **changes):
    metrics = (
        MODEL.metrics
        | {
            "overconfidence": over,
            "ece": estimate(*ece),
        }
        | changes.pop("metrics", {})
    )
    reliability = Reliability(equal_width=bins, equal_mass=[], confidence_wise=[])
    return calibration_sentence(
        replace(MODEL, metrics=metrics, reliability=reliability, **changes)
    )


def test_an_overconfident_model_is_shown_by_its_telling_bin():
    bins = [a_bin(0.6, 0.58), a_bin(0.9, 0.84, 5000)]
    said = judged(bins, estimate(0.05, 0.04, 0.06))
    assert said.startswith("The model is overconfident: when it says about 90 % it is")
    assert "right 84 % of the time" in said


def test_a_large_gap_tells_more_than_a_small_one_of_many_examples():
    bins = [a_bin(0.77, 0.65, 300), a_bin(0.99, 0.98, 7500)]
    assert "says about 77 %" in judged(bins, estimate(0.02, 0.01, 0.03))


def test_an_underconfident_model():
    said = judged([a_bin(0.7, 0.8, 5000)], estimate(-0.1, -0.12, -0.08))
    assert "underconfident: when it says about 70 % it is right 80 %" in said


def test_a_bin_of_the_other_direction_does_not_serve_as_evidence():
    bins = [a_bin(0.5, 0.7, 9000), a_bin(0.9, 0.84, 2000)]
    assert "about 90 %" in judged(bins, estimate(0.02, 0.01, 0.03))


def test_a_bias_that_no_single_bin_shows_is_told_by_averages():
    said = judged([a_bin(0.9, 0.895, 50)], estimate(0.01, 0.001, 0.02))
    assert "on average it says" in said


def test_a_calibrated_model_is_taken_at_its_word():
    bins = [a_bin(0.6, 0.605), a_bin(0.9, 0.895)]
    said = judged(bins, estimate(0.001, -0.01, 0.01), CALIBRATED)
    assert said.startswith("Its confidence can be taken at its word")
    assert "in no bin, of 2, do" in said


def test_one_contradicted_bin_that_is_all_of_them_is_not_chance():
    """99 predictions of probability 1 right, and one wrong."""
    said = judged(
        [a_bin(1.0, 0.99, 100)],
        estimate(0.01, -0.01, 0.03),
        (0.01, 0.0, 0.03),
        num_examples=100,
    )
    assert "single confidences mislead" in said
    assert "when it says 100 % it is right 99 % of the time" in said


def test_one_of_many_bins_may_be_off_by_chance():
    """A gap that 3 in 100 honest bins have, in one of 15 of the same size."""
    bins = [a_bin(0.3 + i / 25, 0.3 + i / 25) for i in range(14)]
    bins.append(a_bin(0.9, 0.879))
    said = judged(bins, estimate(0.001, -0.01, 0.01), CALIBRATED)
    assert "taken at its word" in said
    # The same gap, where that bin holds nearly all examples.
    alone = [*[a_bin(0.3, 0.3, 10)] * 5, bins[-1]]
    assert "mislead" in judged(alone, estimate(0.001, -0.01, 0.01), CALIBRATED)


def test_many_bins_that_are_a_little_off_are_not_chance():
    """Of 15 honest bins four or more have such a gap once in 180 tests."""
    bins = [a_bin(0.3 + i / 25, 0.3 + i / 25) for i in range(11)]
    bins += [a_bin(0.9, 0.879)] * 4
    said = judged(bins, estimate(0.001, -0.01, 0.01), CALIBRATED)
    assert "single confidences mislead" in said


@pytest.mark.parametrize(
    ("over", "ece"),
    [((0.0, -0.06, 0.06), (0.02, 0.01, 0.03)), ((0.0, -0.01, 0.01), (0.07, 0.0, 0.1))],
)
def test_what_cannot_be_known_is_not_called_calibrated(over, ece):
    bins = [a_bin(0.6, 0.6, 100), a_bin(0.9, 0.88, 100)]
    said = judged(bins, estimate(*over), ece, num_examples=200)
    assert said.startswith("200 test examples are too few to tell")
    assert "on average it says" in said


@pytest.mark.parametrize("number", [1, 2, 3, 5, 7])
def test_a_handful_tells_nothing_though_all_are_right(number):
    """An interval of a few equal numbers may have no width."""
    metrics = {"accuracy": share(1.0, number), "mean_confidence": estimate(0.9, 0, 1)}
    said = judged(
        [a_bin(0.9, 1.0, number)],
        estimate(-0.1, -0.1, -0.1),
        (0.1, 0.1, 0.1),
        num_examples=number,
        metrics=metrics,
    )
    assert "underconfident" not in said
    noun = "test example is" if number == 1 else "test examples are"
    assert said.startswith(f"{number} {noun} too few to tell")


def test_a_bias_of_few_examples_must_show_in_the_averages_too():
    """Of 25 examples at 0.9 all are right once in 14 tests, of 60 once in 560."""
    metrics = {"mean_confidence": estimate(0.9, 0.9, 0.9)}
    for number, told in ((25, "too few to tell"), (60, "is underconfident")):
        said = judged(
            [a_bin(0.9, 1.0, number)],
            estimate(-0.1, -0.1, -0.1),
            (0.1, 0.1, 0.1),
            num_examples=number,
            metrics=metrics | {"accuracy": share(1.0, number)},
        )
        assert told in said


def test_errors_of_both_signs_are_named():
    bins = [a_bin(0.6, 0.7, 2000), a_bin(0.9, 0.8, 2000)]
    said = judged(bins, estimate(0.0, -0.01, 0.01), (0.1, 0.09, 0.11))
    assert "when it says about 60 % it is right 70 %" in said
    assert "when it says about 90 % it is right 80 %" in said
    more = [a_bin(0.6, 0.7, 1000), a_bin(0.9, 0.8, 3000)]
    said = judged(more, estimate(0.05, 0.04, 0.06))
    assert said.startswith("The model is overconfident: when it says about 90 %")
    assert "but when it says about 60 % it is right 70 %" in said


def test_a_bin_is_told_with_as_many_decimals_as_it_takes():
    said = judged([a_bin(0.9, 0.897, 10**6)], estimate(0.003, 0.002, 0.004))
    assert "when it says about 90.0 % it is right 89.7 % of the time" in said


def test_errors_that_cancel_are_not_called_calibrated():
    bins = [a_bin(0.6, 0.8, 5000), a_bin(0.9, 0.7, 5000)]
    said = judged(bins, estimate(0.0, -0.01, 0.01))
    assert "single confidences mislead" in said


def test_almost_sure_is_not_called_about_100():
    said = judged([a_bin(0.997, 0.9, 5000)], estimate(0.1, 0.08, 0.12))
    assert "when it says over 99 % it is right 90 % of the time" in said


def test_a_number_is_the_same_in_sentences_and_tables():
    said = calibration_sentence(MODEL)
    assert written.cell("ece", MODEL.metrics["ece"]).text in said
    (said,) = recalibration_sentences(MODEL)
    best = MODEL.recalibration.methods[0]
    assert f"to {written.cell('ece', best.metrics['ece']).text})" in said


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (0.03401, "leaves the expected calibration error at 3.40 %"),
        (0.031, "lowers the expected calibration error (from 3.40 % to 3.10 %)"),
        (0.041, "raises the expected calibration error (from 3.40 % to 4.10 %)"),
    ],
)
def test_recalibration_is_judged_as_it_is_shown(after, told):
    parts = MODEL.recalibration
    best = parts.methods[0]
    metrics = best.metrics | {"ece": estimate(after, 0.0, 0.1)}
    change = estimate(-0.00001, -0.1, 0.1)
    methods = [replace(best, metrics=metrics, nll_change=change)]
    (said,) = recalibration_sentences(
        replace(MODEL, recalibration=replace(parts, methods=methods))
    )
    assert told in said
    assert "log-likelihood by 0.0000, which may be chance" in said


def test_recalibration_that_gains_nothing_is_told():
    parts = replace(MODEL.recalibration, best="none")
    (said,) = recalibration_sentences(replace(MODEL, recalibration=parts))
    assert "Recalibration gains nothing" in said
