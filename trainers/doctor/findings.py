"""What a check found, and how checks are run so that none spoils the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of a diagnosis.

    Args:
        level: `OK`, `WARN` for what limits this machine, `FAIL` for what is broken.
        name: What was looked at, in a word or two.
        text: What was found, in a plain sentence.
        advice: What to do about it; "" when nothing is to be done.
    """

    level: str
    name: str
    text: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def run_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Run checks one after the other; one that fails is a finding itself."""
    for check in checks:
        try:
            yield from check()
        except Exception as error:  # whatever it is, the others are still wanted
            name = check.__name__.replace("_", " ")
            yield Finding(
                FAIL, name, f"The check itself failed: {error!r}.", "Report this."
            )
