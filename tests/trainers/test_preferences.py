"""Tests of `trainers/preferences.py`."""

import os

import pytest

from trainers import preferences
from trainers.preferences import CACHE, GRACE, MIRRORS, apply, fixed, keep, kept
from trainers.runs import RunError, list_runs


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    monkeypatch.setenv("VOGN_RUNS", str(tmp_path))
    monkeypatch.setattr(preferences, "_KEPT", set())
    for name in preferences.NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def test_what_is_kept_is_used_now_and_by_the_next_process(tmp_path):
    keep({MIRRORS: "tensorboard", CACHE: str(tmp_path), GRACE: ""})
    assert os.environ[MIRRORS] == "tensorboard"
    assert GRACE not in os.environ
    assert kept() == {MIRRORS: "tensorboard", CACHE: str(tmp_path)}
    for name in preferences.NAMES:
        os.environ.pop(name, None)
    preferences._KEPT.clear()
    apply()
    assert os.environ[CACHE] == str(tmp_path)
    assert not fixed(CACHE)


def test_what_is_left_out_is_unset(tmp_path):
    keep({CACHE: str(tmp_path)})
    keep({})
    assert CACHE not in os.environ
    assert kept() == {}


def test_what_the_environment_says_wins(monkeypatch):
    monkeypatch.setenv(GRACE, "5")
    keep({GRACE: "7"})
    assert fixed(GRACE)
    assert os.environ[GRACE] == "5"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"PATH": "/bin"}, "setting must be one of VOGN_CACHE"),
        ({CACHE: "data"}, "VOGN_CACHE must be a folder by its whole path"),
        ({MIRRORS: "notatracker"}, "VOGN_MIRRORS must name some of"),
        ({GRACE: "-1"}, "VOGN_STOP_GRACE must be a number of seconds"),
        ({GRACE: "1\n2"}, "must be text in one line"),
        ({GRACE: 3}, "must be text in one line"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(values, told, tmp_path):
    keep({CACHE: str(tmp_path)})
    with pytest.raises(ValueError, match=told):
        keep(values)
    assert kept() == {CACHE: str(tmp_path)}
    assert os.environ[CACHE] == str(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": 2}', '{"schema": 1, "settings": {"PATH": "x"}}']
)
def test_a_damaged_file_is_told(text):
    preferences.file().write_text(text)
    with pytest.raises(RunError, match=r"\.settings\.json"):
        apply()


def test_the_file_is_no_run(tmp_path):
    keep({CACHE: str(tmp_path)})
    assert list_runs() == []
