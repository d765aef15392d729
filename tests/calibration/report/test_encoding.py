"""A report as JSON and back."""

import json

import pytest

from calibration.estimate import Estimate
from calibration.report.data import SCHEMA
from calibration.report.encoding import decode_report, encode
from tests.calibration.report.examples import bare_report, example_report


@pytest.mark.parametrize("report", [example_report(2), bare_report()])
def test_a_report_comes_back_from_json(report):
    text = json.dumps(encode(report), allow_nan=False)
    again = decode_report(json.loads(text))
    # Estimates compare by their value alone: as data their intervals count too.
    assert encode(again) == encode(report)
    assert isinstance(again.models[0].metrics["nll"], Estimate)


def test_the_schema_stands_in_the_file():
    assert encode(bare_report())["schema"] == SCHEMA


def without(content, name):
    return {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c | {"schema": 99}, "schema of a report must be 1, got 99"),
        (lambda c: [c], "schema of a report must be 1"),
        (lambda c: without(c, "models"), r"report must have the keys"),
        (lambda c: c | {"surprise": 1}, r"report must have the keys .*surprise"),
        (lambda c: c | {"num_bins": "15"}, r"report\.num_bins must be of type int"),
        (lambda c: c | {"models": [1]}, r"report\.models\[0\] must be of type dict"),
    ],
)
def test_another_schema_and_damage_are_told_with_their_place(change, text):
    with pytest.raises(ValueError, match=text):
        decode_report(change(encode(bare_report())))
