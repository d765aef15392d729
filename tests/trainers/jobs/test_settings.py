"""Tests of whose an environment variable is, and what it may be."""

import pytest

from trainers.jobs.settings import (
    HANDED,
    check_machine,
    check_submitter,
    of_machine,
    of_submitter,
    stop_grace,
)

MIXED = {
    "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "VOGN_RUNS": "/r", "VOGN_JOBS": "/j",
    "VOGN_JOBS_URL": "", "VOGN_CPU_SLOTS": "2", "VOGN_WEBHOOK": "http://x",
    "VOGN_MIN_FREE_MEMORY": "0.5", "VOGN_ROLE": "run /r/a", HANDED: "{}",
    "VOGN_MIRRORS": "tensorboard", "OMP_NUM_THREADS": "3", "VOGN_CACHE": "here",
    "VOGN_TRAINER": "x", "VOGN_STOP_GRACE": "5",
}  # fmt: skip


def test_a_variable_goes_with_the_run_or_with_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handed, kept = of_submitter(MIXED), of_machine(MIXED)
    assert set(handed) == {
        "VOGN_MIRRORS", "OMP_NUM_THREADS", "VOGN_CACHE", "VOGN_TRAINER",
        "VOGN_STOP_GRACE",
    }  # fmt: skip
    assert handed["VOGN_CACHE"] == str(tmp_path / "here")
    assert not set(handed) & set(kept)
    assert set(MIXED) - set(handed) - set(kept) == {"VOGN_ROLE", HANDED}


@pytest.mark.parametrize("text", ["x", "nan", "inf", "-1", "86401"])
def test_a_grace_is_a_number_of_seconds(text):
    with pytest.raises(ValueError, match=f"VOGN_STOP_GRACE must be .* got '{text}'"):
        stop_grace({"VOGN_STOP_GRACE": text})


def test_the_grace_has_a_default(monkeypatch):
    assert stop_grace({}) == stop_grace({"VOGN_STOP_GRACE": ""}) == 30.0
    monkeypatch.setenv("VOGN_STOP_GRACE", "2.5")
    assert stop_grace() == 2.5


@pytest.mark.parametrize(
    ("check", "variables", "told"),
    [
        (check_submitter, {"VOGN_STOP_GRACE": "x"}, "VOGN_STOP_GRACE must"),
        (check_submitter, {"VOGN_MIRRORS": "nonsense"}, "VOGN_MIRRORS must"),
        (check_machine, {"VOGN_CPU_SLOTS": "abc"}, "VOGN_CPU_SLOTS must"),
        (check_machine, {"VOGN_MIN_FREE_MEMORY": "2"}, "VOGN_MIN_FREE_MEMORY must"),
    ],
)
def test_rubbish_is_refused(check, variables, told):
    check({})
    with pytest.raises(ValueError, match=told):
        check(variables)
