"""What this machine can do, and what is wrong with it. Torch-free."""

from collections.abc import Iterator

from trainers.doctor.findings import FAIL, OK, WARN, Finding, run_checks

__all__ = ["FAIL", "OK", "WARN", "Finding", "diagnose"]


def diagnose() -> Iterator[Finding]:
    """Look at everything; each finding comes as soon as it is known."""
    return run_checks([])
