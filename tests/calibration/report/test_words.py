"""Sentences say what the numbers allow, and no more."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.intervals import Estimate
from calibration.report.data import Bin, Reliability
from calibration.report.words import (
    calibration_sentence,
    comparison_sentence,
    count,
    limitations,
    number,
    percent,
    summary,
)
from tests.calibration.report.examples import bare_report, example_report

MODEL = replace(example_report(1).models[0], num_errors=1030, num_sure_errors=12)


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


def test_the_summary_begins_with_the_accuracy_and_covers_every_section():
    sentences = summary(MODEL)
    assert sentences[0].startswith("It classifies")
    text = " ".join(sentences)
    for name in [each.name for each in MODEL.ood]:
        assert name in text
    for words in ("20 % it is least certain", "errors", "corruptions", "promise"):
        assert words in text
    assert all(sentence.endswith(".") for sentence in sentences)


def test_a_bare_report_has_the_sentences_it_can_have():
    sentences = summary(bare_report().models[0])
    assert sentences[0].startswith("It classifies")
    assert not any("corruptions" in sentence for sentence in sentences)


def test_no_errors_are_said_to_be_none():
    model = replace(MODEL, num_errors=0)
    assert "It makes no error on these examples." in summary(model)


def test_recalibration_that_gains_nothing_is_told():
    parts = replace(MODEL.recalibration, best="none")
    text = " ".join(summary(replace(MODEL, recalibration=parts)))
    assert "Recalibration gains nothing" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (estimate(0.02, 0.01, 0.03), "VOGN has the better negative log-likelihood"),
        (estimate(-0.02, -0.03, -0.01), "AdamW has the better negative"),
        (estimate(0.02, -0.01, 0.05), "difference in negative log-likelihood may be"),
    ],
)
def test_a_comparison_names_the_better_one_beyond_chance(change, said):
    assert said in comparison_sentence("VOGN", "AdamW", {"nll": change})


def test_higher_accuracy_is_better():
    said = comparison_sentence("a", "b", {"accuracy": estimate(0.02, 0.01, 0.03)})
    assert said == "On the same examples b has the better accuracy."


def test_limits_of_small_sets_are_told():
    model = replace(MODEL, num_examples=200)
    assert any("200 test examples are few" in each for each in limitations([model]))
    assert len(set(limitations([model, model]))) == len(limitations([model, model]))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.5, "50.0 %"),
        (1.0, "100.0 %"),
        (0.99999, "over 99.9 %"),
        (0.0, "0.0 %"),
        (0.00001, "under 0.1 %"),
    ],
)
def test_percent_never_rounds_to_certainty(share, text):
    assert percent(share) == text


def test_numbers_keep_three_digits():
    assert number(0.012345) == "0.0123"
    assert number(1.5) == "1.500"
    assert count(10000) == "10,000"
