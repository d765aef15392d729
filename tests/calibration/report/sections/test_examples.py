"""Tests of the cards of confidently wrong examples."""

from dataclasses import replace

from calibration.report.document import Cards
from calibration.report.sections.examples import confidently_wrong
from tests.calibration.report.examples import example_model
from tests.calibration.report.sections.test_context import context

WRONG = example_model(0).confidently_wrong


def cards(section):
    return [card for each in section.blocks if isinstance(each, Cards)
            for card in each.items]  # fmt: skip


def test_a_card_says_what_was_taken_for_what():
    card = cards(confidently_wrong(context(1)))[0]
    assert card.facts == {
        "True class": "Coat",
        "Predicted": "Shirt",
        "Confidence": "99.9 %",
        "P(true class)": "0.04 %",
        "Entropy": "0.008 nats",
        "Mutual information": "0.000 nats",
    }
    assert card.alt == "Test example 137: Coat, taken for Shirt."
    assert card.image == WRONG[0].image


def test_a_single_model_has_no_mutual_information():
    single = [replace(WRONG[0], mutual_information=None)]
    (card,) = cards(confidently_wrong(context(1, confidently_wrong=single)))
    assert "Mutual information" not in card.facts


def test_each_has_a_card_and_none_is_no_section():
    assert len(cards(confidently_wrong(context(2)))) == 2 * len(WRONG)
    assert confidently_wrong(context(1, confidently_wrong=[])) is None
