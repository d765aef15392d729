"""Sentences on confidence say what the intervals allow, and no more."""

from dataclasses import replace

import numpy as np

from calibration.intervals import Estimate
from calibration.report import written
from calibration.report.data import Bin, Reliability
from calibration.report.words.confidence import (
    calibration_sentence,
    recalibration_sentences,
)
from tests.calibration.report.examples import example_model

MODEL = example_model(0)


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


def judged(bins, over):
    metrics = MODEL.metrics | {
        "overconfidence": over,
        "ece": estimate(0.05, 0.04, 0.06),
    }
    reliability = Reliability(equal_width=bins, equal_mass=[], confidence_wise=[])
    return calibration_sentence(
        replace(MODEL, metrics=metrics, reliability=reliability)
    )


def test_an_overconfident_model_is_shown_by_its_telling_bin():
    bins = [a_bin(0.6, 0.58), a_bin(0.9, 0.84, 5000)]
    said = judged(bins, estimate(0.05, 0.04, 0.06))
    assert said.startswith("The model is overconfident: when it says about 90 % it is")
    assert "right 84 % of the time" in said


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
    said = judged(bins, estimate(0.001, -0.01, 0.01))
    assert "taken at its word" in said
    assert "2 of 2 bins" in said


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


def test_recalibration_that_gains_nothing_is_told():
    parts = replace(MODEL.recalibration, best="none")
    (said,) = recalibration_sentences(replace(MODEL, recalibration=parts))
    assert "Recalibration gains nothing" in said
