"""The summary of a model covers what was measured."""

from dataclasses import replace

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


def test_almost_all_is_not_called_all():
    metrics = MODEL.metrics | {"accuracy": share(0.9999)}
    said = summary(replace(MODEL, metrics=metrics))[0]
    assert said.startswith("It classifies over 99.9 % of 10,000 test examples")
    assert written.cell("accuracy", metrics["accuracy"]).text == "over 99.9 %"
