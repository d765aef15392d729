"""Tests of numbers and words as people read them."""

import pytest

from calibration.report.formats import (
    compact,
    count,
    counted,
    grouped,
    listed,
    moment,
    percent,
    rounded,
    sentence,
    shortened,
    signed,
    unbroken,
    words,
)


def test_numbers():
    assert percent(0.97243) == "97.2 %"
    assert percent(0.00012, 2) == "0.01 %"
    assert percent(-0.00001) == "0.0 %"
    assert rounded(-0.0001, 2) == "0.00"
    assert rounded(-0.006, 2) == "-0.01"
    assert percent(0.1225) == percent(1 - 0.8775) == "12.3 %"
    assert rounded(-0.125, 2) == "-0.13"
    assert [signed(each, 1) for each in (0.25, -0.25, 0.01, -0.01)] == [
        "+0.3", "-0.3", "0.0", "0.0",
    ]  # fmt: skip
    assert compact(0.0123456) == "0.0123"
    assert compact(123456.7) == "123,457"
    assert count(10000) == "10,000"


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


@pytest.mark.parametrize(
    ("value", "noun", "told"),
    [
        (1, "model", "1 model"),
        (0, "model", "0 models"),
        (100, "class", "100 classes"),
        (1200, "probability", "1,200 probabilities"),
    ],
)
def test_things_are_counted(value, noun, told):
    assert counted(value, noun) == told


def test_a_long_name_loses_its_middle():
    assert shortened("layer4.1.conv2.weight", 11) == "layer…eight"
    assert len(shortened("x" * 99, 11)) == 11
    assert shortened("short", 11) == "short"


def test_long_numbers_in_a_text_have_their_thousands_apart():
    assert grouped("needs 10100 examples, got 5000.") == (
        "needs 10,100 examples, got 5,000."
    )
    assert grouped("0.12345 of v1234 or 12,345 and 999") == (
        "0.12345 of v1234 or 12,345 and 999"
    )


def test_words_in_a_list():
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert listed([]) == ""


def test_sentences_and_labels():
    assert sentence("half of the examples") == "Half of the examples."
    assert sentence("Why?") == "Why?"
    assert sentence("") == ""
    assert words("gaussian_noise") == "Gaussian noise"


def test_a_time_is_told_and_anything_else_stays():
    assert moment("2026-11-22T01:58:33+00:00") == "22 November 2026, 01:58 UTC"
    assert moment("yesterday") == "yesterday"


def test_a_number_keeps_its_unit():
    assert unbroken("9.1 % of 3 nats") == "9.1\u00a0% of 3\u00a0nats"
    assert unbroken("5 pointsmen, a % sign") == "5 pointsmen, a % sign"
