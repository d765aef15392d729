"""Tests of the command that prints findings. The checks have tests of their own."""

import json

import pytest

from trainers.commands import doctor
from trainers.doctor import FAIL, OK, WARN, Finding

FINDINGS = [
    Finding(OK, "disk", "There is room.", "not told"),
    Finding(WARN, "browser", "There is none.", "Install one."),
    Finding(FAIL, "store", "It is broken.", "Repair it."),
]


@pytest.fixture
def found(monkeypatch):
    def pretend(*findings):
        monkeypatch.setattr(doctor, "diagnose", lambda: iter(findings))

    return pretend


def test_each_finding_is_a_line_with_what_to_do(found, say):
    found(*FINDINGS)
    code, lines, _ = say("doctor")
    assert code == 1
    assert [line.split() for line in lines] == [
        ["ok", "disk", "There", "is", "room."],
        ["warn", "browser", "There", "is", "none."],
        ["->", "Install", "one."],
        ["FAIL", "store", "It", "is", "broken."],
        ["->", "Repair", "it."],
    ]
    places = [lines[0].index("There"), lines[1].index("There"), lines[2].index("->")]
    assert len(set(places)) == 1


def test_warnings_are_no_failure(found, say):
    found(*FINDINGS[:2])
    assert say("doctor")[0] == 0


def test_findings_for_programs(found, say):
    found(*FINDINGS)
    code, lines, _ = say("doctor", "--json")
    content = json.loads("\n".join(lines))
    assert (code, content["ok"]) == (1, False)
    assert content["findings"][1] == {
        "level": "warn", "name": "browser", "text": "There is none.",
        "advice": "Install one.",
    }  # fmt: skip
