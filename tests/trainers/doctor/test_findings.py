"""Tests of running checks one after the other."""

from trainers.doctor import diagnose
from trainers.doctor.findings import FAIL, OK, Finding, run_checks

FINE = Finding(OK, "fine", "It is.")


def fine():
    yield FINE


def breaks_midway():
    yield FINE
    raise ZeroDivisionError("of all things")


def test_one_check_that_fails_does_not_stop_the_others():
    first, second, broken, last = run_checks([fine, breaks_midway, fine])
    assert first == second == last == FINE
    assert (broken.level, broken.name) == (FAIL, "breaks midway")
    assert "of all things" in broken.text
    assert broken.advice


def test_findings_come_one_by_one():
    findings = run_checks([fine, breaks_midway])
    assert next(findings) == FINE


def test_this_machine_is_looked_at_without_a_check_that_fails(tmp_path):
    findings = list(diagnose())
    names = {finding.name for finding in findings}
    assert {
        "python",
        "packages",
        "torch",
        "cpu",
        "memory",
        "gpu",
        "runs",
        "store",
    } <= names
    assert not [f for f in findings if "check itself" in f.text]
    assert all(f.text.rstrip().endswith(".") for f in findings)
    assert not (tmp_path / "runs").exists()  # who looks makes nothing
