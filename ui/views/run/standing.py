"""How one prediction stands among those of a run: rank, and whether it looks alien."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ui.components.formats import count, decimal, percent

RECALL = 0.95  # share of an out-of-distribution set that the threshold catches


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether an input looks like an out-of-distribution set.

    Args:
        flagged: Whether its entropy is at least the threshold.
        threshold: The largest entropy in nats that catches 95 % of the set.
        false_alarms: Share of the test images that it flags too (FPR95).
    """

    flagged: bool
    threshold: float
    false_alarms: float


def share_below(entropies: NDArray[Any], entropy: float) -> float:
    """The share of entropies [N] that are lower."""
    return float(np.mean(np.asarray(entropies) < entropy))


def threshold_catching(outside: NDArray[Any], recall: float) -> float:
    """The highest threshold that flags a share, above 0, of some scores.

    Args:
        outside: Scores, ascending, [M].
        recall: The share.
    """
    # Quotients are compared, as in the library: 0.55 * 100 is above 55.
    shares = np.arange(1, len(outside) + 1) / len(outside)
    place = min(int(np.searchsorted(shares, recall)), len(shares) - 1)
    return float(outside[::-1][place])


def verdict(entropy: float, inside: NDArray[Any], outside: NDArray[Any]) -> Verdict:
    """Judge an entropy at the threshold of FPR95; see `calibration.fpr_at_recall`.

    Args:
        entropy: Of the input, in nats.
        inside: Of the test set, [N].
        outside: Of an out-of-distribution set, [M].
    """
    threshold = threshold_catching(np.sort(outside), RECALL)
    return Verdict(
        flagged=entropy >= threshold,
        threshold=threshold,
        false_alarms=float(np.mean(np.asarray(inside) >= threshold)),
    )


def rank_text(entropies: NDArray[Any], entropy: float) -> str:
    """The rank in words."""
    share = share_below(entropies, entropy)
    return (
        f"**More uncertain than {percent(share)} of the {count(len(entropies))} test "
        "images** (by entropy)."
    )


def verdict_text(found: Verdict, outside: str) -> str:
    """The verdict in words.

    Args:
        found: The verdict.
        outside: Name of the out-of-distribution set, escaped.
    """
    looks = (
        "It **looks out of distribution**"
        if found.flagged
        else "Its entropy does not give it away as out of distribution"
    )
    side = "at or above" if found.flagged else "below"
    return (
        f"{looks}: it is {side} {decimal(found.threshold)} nats, the "
        f"threshold that catches 95 % of {outside} and flags "
        f"{percent(found.false_alarms)} of the test images too (FPR95)."
    )


def verdicts(
    entropy: float, inside: NDArray[Any], outside: Mapping[str, NDArray[Any]]
) -> dict[str, Verdict]:
    """A verdict for each out-of-distribution set by its name."""
    return {name: verdict(entropy, inside, each) for name, each in outside.items()}
