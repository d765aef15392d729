"""Tests of what any launcher shares."""

from importlib import metadata

import pytest

from trainers.jobs.launcher import checked_group, checked_priority, code_version


def test_the_version_is_known_or_said_to_be_unknown(monkeypatch):
    assert code_version()[0].isdigit()

    def missing(name):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    assert code_version() == "unknown"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 129])
def test_a_group_needs_a_name(name):
    with pytest.raises(ValueError, match="group must be a name of 1 to 128"):
        checked_group(name)
    assert checked_group("my sweep, ü") == "my sweep, ü"


def test_a_priority_is_a_whole_number():
    assert [checked_priority(text) for text in ("0", "-5", "+7")] == [0, -5, 7]
    assert checked_priority(3) == 3
    for text in (
        "high",
        "1.5",
        1.5,
        True,
        None,
        "",
        "1000001",
        "-99999999999999999999",
    ):
        with pytest.raises(ValueError, match="priority must be a whole number in"):
            checked_priority(text)


@pytest.mark.parametrize(
    "number", ["9" * 400, "9" * 5000, 10**400, float("inf"), float("nan")]
)
def test_a_huge_priority_is_refused_in_few_words(number):
    with pytest.raises(ValueError, match="priority must be a whole number in") as error:
        checked_priority(number)
    assert len(str(error.value)) < 150
