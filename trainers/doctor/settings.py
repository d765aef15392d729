"""Checks of the variables that change how runs are treated."""

import os
import urllib.parse
from collections.abc import Iterator

from trainers import mirrors
from trainers.doctor.findings import FAIL, OK, Finding
from trainers.jobs.settings import stop_grace


def webhook() -> Iterator[Finding]:
    """Whether the end of a run is told, and to a sensible address."""
    url = os.environ.get("VOGN_WEBHOOK", "")
    if not url:
        text = "VOGN_WEBHOOK is not set: nobody is told when a run ends."
        yield Finding(OK, "webhook", text)
        return
    parts = urllib.parse.urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname:
        # The rest of the address is as good as a password.
        text = f"The end of a run is told to {parts.hostname}."
        yield Finding(OK, "webhook", text)
    else:
        text = "VOGN_WEBHOOK must be an http or https address."
        yield Finding(FAIL, "webhook", text, "Correct or unset VOGN_WEBHOOK.")


def trackers() -> Iterator[Finding]:
    """Whether the mirrors that are asked for exist and can be loaded."""
    try:
        names = mirrors.names_from(os.environ.get("VOGN_MIRRORS", ""))
    except ValueError as error:
        yield Finding(FAIL, "mirrors", str(error), "Correct or unset VOGN_MIRRORS.")
        return
    lacking = [words for words in map(mirrors.missing, names) if words]
    for words in lacking:
        yield Finding(FAIL, "mirrors", words, "Install it, or shorten VOGN_MIRRORS.")
    if not lacking:
        told = ", ".join(names) or "nowhere (VOGN_MIRRORS is not set)"
        yield Finding(OK, "mirrors", f"Runs are copied to: {told}.")


def grace() -> Iterator[Finding]:
    """Whether the time that a stopping run gets is a time."""
    try:
        told = f"A run that is asked to stop has {stop_grace():g} seconds."
        yield Finding(OK, "stop", told)
    except ValueError as error:
        yield Finding(FAIL, "stop", str(error), "Correct or unset VOGN_STOP_GRACE.")
