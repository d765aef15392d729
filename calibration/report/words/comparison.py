"""Which of two models is better at what, beyond chance."""

from calibration.definitions import LOWER
from calibration.intervals import Estimate
from calibration.report.formats import listed
from calibration.report.written import better

_WORDS = {
    "accuracy": "accuracy",
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "ece": "expected calibration error",
}


def comparison_sentence(
    first: str, second: str, differences: dict[str, Estimate]
) -> str:
    """Say which of two models is better at what, beyond chance.

    Args:
        first: Name of the one.
        second: Name of the other.
        differences: Second less first, with intervals.

    Returns:
        A sentence.
    """
    wins: dict[str, list[str]] = {first: [], second: []}
    even = []
    for name, change in differences.items():
        words = _WORDS[name]
        if change.low <= 0 <= change.high:
            even.append(words)
        else:
            second_wins = (change < 0) == (better(name) == LOWER)
            wins[second if second_wins else first].append(words)
    parts = [
        f"{name} has the better {listed(won)}" for name, won in wins.items() if won
    ]
    if even:
        parts.append(f"the difference in {listed(even)} may be chance")
    text = "; ".join(parts)
    return f"On the same examples {text}." if parts else ""
