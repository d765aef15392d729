"""Which of two models is better at what, beyond chance."""

from calibration.definitions import LOWER
from calibration.estimate import Estimate
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
        A sentence that names both; "" without differences.
    """
    if not differences:
        return ""
    if all(each.low == each.high == 0 for each in differences.values()):
        return f"On the same examples {first} and {second} do not differ."
    wins: dict[str, list[str]] = {first: [], second: []}
    even = []
    for name, change in differences.items():
        if change.low <= 0 <= change.high:
            even.append(_WORDS[name])
        else:
            second_wins = (change < 0) == (better(name) == LOWER)
            wins[second if second_wins else first].append(_WORDS[name])
    loser = {first: second, second: first}
    parts = [
        f"{name} has the better {listed(won)}, {loser[name]} the worse"
        for name, won in wins.items()
        if won
    ]
    if even:
        noun = "difference" if len(even) == 1 else "differences"
        pair = "" if parts else f" between {first} and {second}"
        parts.append(f"the {noun}{pair} in {listed(even)} may be chance")
    return f"On the same examples {'; '.join(parts)}."
