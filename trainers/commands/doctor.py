"""Say what this machine can do and what is wrong with it.

Exit code 1 if something must be put right.
"""

import argparse
import json
from dataclasses import asdict

from trainers.doctor import FAIL, OK, Finding, diagnose

HELP = "say what this machine can do and what is wrong"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `doctor`."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Look at everything, and print each finding as soon as it is known."""
    findings = []
    for finding in diagnose():
        findings.append(finding)
        if not options.json:
            print(_lines(finding), flush=True)
    failed = any(finding.level == FAIL for finding in findings)
    if options.json:
        told = [asdict(finding) for finding in findings]
        print(json.dumps({"ok": not failed, "findings": told}, indent=1))
    return int(failed)


def _lines(finding: Finding) -> str:
    line = f"{finding.level:<4}  {finding.name:<14}  {finding.text}"
    if finding.advice and finding.level != OK:
        line += f"\n{'':<22}-> {finding.advice}"
    return line
