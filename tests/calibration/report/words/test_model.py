"""The summary of a model covers what was measured."""

from dataclasses import replace

import pytest

from calibration.report import written
from calibration.report.words.model import summary
from tests.calibration.report.examples import bare_report, example_report, share

MODEL = replace(example_report(1).models[0], num_errors=1030, num_sure_errors=12)


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


@pytest.mark.parametrize(
    ("errors", "sure", "told"),
    [
        (1, 0, "Its only error is not made with"),
        (1, 1, "Its only error is made with"),
        (12, 0, "None of its 12 errors is made with"),
        (12, 1, "1 of its 12 errors is made with"),
        (12, 5, "5 of its 12 errors are made with"),
    ],
)
def test_errors_are_counted_in_english(errors, sure, told):
    said = " ".join(summary(replace(MODEL, num_errors=errors, num_sure_errors=sure)))
    assert told in said


def test_one_of_a_kind_is_no_plural():
    points = [p for p in MODEL.shift if p.kind in {"clean", "fog"}]
    said = " ".join(summary(replace(MODEL, shift=points)))
    assert "strongest corruptions (1 kind) its accuracy" in said
    alone = replace(MODEL, num_examples=1)
    assert summary(alone)[0] == "It classifies the only test example correctly."


@pytest.mark.parametrize(
    ("overall", "told"),
    [
        (1.0, ""),
        (0.0, ""),
        (0.0301, "gains nothing"),
        (0.1, "instead of 10.0 % of all"),
    ],
)
def test_what_rejection_gains_is_told_where_it_can_gain(overall, told):
    selective = replace(MODEL.selective, random=overall)
    said = " ".join(summary(replace(MODEL, selective=selective)))
    assert ("20 % it is least certain" in said) == bool(told)
    assert told in said


def test_impossible_truths_are_told():
    assert "infinite" not in " ".join(summary(MODEL))
    said = " ".join(summary(replace(MODEL, num_impossible=1)))
    assert "true class of 1 test example a probability of 0: that counts as 708" in said


def test_almost_all_is_not_called_all():
    metrics = MODEL.metrics | {"accuracy": share(0.9999)}
    said = summary(replace(MODEL, metrics=metrics))[0]
    assert said.startswith("It classifies over 99.9 % of 10,000 test examples")
    assert written.cell("accuracy", metrics["accuracy"]).text == "over 99.9 %"
