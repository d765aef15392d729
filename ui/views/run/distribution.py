"""One prediction in full: the probability of each class, and how far samples differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration import decompose
from ui.components.figure import PERCENT, Figure, axis, figure
from ui.components.formats import percent
from ui.components.labels import label

SPREAD = (5, 95)  # percentiles of the samples that a whisker spans
NUM_SHOWN = 12  # classes of a chart
MAX_POINTS = 2000  # dots of a chart
LITTLE, MUCH = 0.15, 0.4  # shares of the largest entropy, log C
DOUBTED = 0.8  # 5th percentile of the confidence below which some samples doubt it
DISPUTED = 0.25  # share of the entropy that is epistemic where samples disagree

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Belief:
    """What a network believes of one input.

    Args:
        samples: Probabilities under each posterior sample, [S, C]; S is 1 of one set
            of weights.
        mean: Their mean, [C].
        low: The 5th percentile of the samples, [C].
        high: The 95th.
        total: Entropy of the mean in nats.
        expected: Its aleatoric part.
        mutual_information: Its epistemic part.
    """

    samples: Floats
    mean: Floats
    low: Floats
    high: Floats
    total: float
    expected: float
    mutual_information: float

    @classmethod
    def of(cls, samples: NDArray[Any]) -> "Belief":
        """Sum up probabilities [S, C]."""
        wide = np.asarray(samples, np.float64)
        low, high = spread(wide)
        split = decompose(samples[:, None])
        return cls(
            wide, wide.mean(axis=0), low, high, float(split.total[0]),
            float(split.expected[0]), float(split.mutual_information[0]),
        )  # fmt: skip

    @property
    def num_samples(self) -> int:
        """S."""
        return len(self.samples)

    @property
    def prediction(self) -> int:
        """The most probable class."""
        return int(self.mean.argmax())

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.mean.max())


def spread(samples: NDArray[Any]) -> tuple[Floats, Floats]:
    """The 5th and the 95th percentile over the samples, the first axis."""
    low, high = np.percentile(samples, SPREAD, axis=0)
    return low, high


def in_words(belief: Belief) -> str:
    """What the entropies mean, in a sentence or two."""
    largest = float(np.log(len(belief.mean)))
    if belief.total <= LITTLE * largest or largest == 0:  # of a single class
        sure = "The network is sure of itself"
        if belief.num_samples == 1:
            return f"{sure}, which is not the same as being right."
        if belief.low[belief.prediction] < DOUBTED:
            return f"{sure} on average, but some of its weight samples doubt it."
        return f"{sure}, and its weight samples agree."
    degree = "very unsure" if belief.total > MUCH * largest else "not quite sure"
    if belief.num_samples == 1:
        return (
            f"The network is {degree}. Whether that is because the input is "
            "ambiguous or because it never saw anything like it, one set of weights "
            "cannot tell."
        )
    if belief.mutual_information > DISPUTED * belief.total:
        return (
            f"The network is {degree}, and its weight samples disagree, as they do "
            "where training data were few."
        )
    alone = percent(1 - belief.mutual_information / belief.total, 0)
    return (
        f"The network is {degree}. {alone} of its entropy is in each weight sample "
        "alone, which points to an ambiguous input more than to few training data."
    )


def distribution_figure(
    belief: Belief, names: Sequence[str], truth: int | None = None
) -> Figure:
    """Draw the probabilities of the most probable classes, the largest on top.

    Args:
        belief: What is believed.
        names: Class names, [C].
        truth: The true class, if it is known; it always has a bar.
    """
    shown = shown_classes(belief.mean, truth, NUM_SHOWN)
    places = list(range(len(shown)))
    traces = [_bars(belief, shown, places, truth)]
    if belief.num_samples > 1:
        traces.append(_dots(belief, shown))
    ticks = [_tick(names[k], k, truth) for k in shown]
    return figure(
        traces,
        x=axis("Probability", range=[0, 1.02], tickformat=PERCENT),
        y=axis(
            tickvals=places, ticktext=ticks, showgrid=False,
            range=[len(shown) - 0.4, -0.6],
        ),
        height=86 + 30 * len(shown),
        bargap=0.35,
    )  # fmt: skip


def distribution_alt(
    belief: Belief, names: Sequence[str], truth: int | None = None
) -> str:
    """Say in a sentence what the chart shows."""
    order = shown_classes(belief.mean, truth, 3)
    told = ", ".join(f"{names[k]} {percent(belief.mean[k])}" for k in order)
    if belief.num_samples == 1:
        return f"Probabilities of the classes by one set of weights: {told}."
    k = belief.prediction
    return (
        f"Probabilities of the classes, mean of {belief.num_samples} weight samples: "
        f"{told}. For {names[k]} the samples reach from {percent(belief.low[k])} to "
        f"{percent(belief.high[k])} (5 to 95 %)."
    )


def shown_classes(mean: NDArray[Any], truth: int | None, count: int) -> list[int]:
    """The most probable classes, and the true one in place of the last if need be."""
    order = [int(k) for k in np.argsort(-np.asarray(mean), kind="stable")[:count]]
    if truth is not None and truth not in order:
        order[-1] = truth  # it is what one looks for
    return order


def _tick(name: str, k: int, truth: int | None) -> str:
    return f"<b>{label(name, 20)}</b> ✓" if k == truth else label(name, 22)


def _bars(
    belief: Belief, shown: list[int], places: list[int], truth: int | None
) -> dict[str, Any]:
    mean = belief.mean[shown]
    colors = [_color(k, belief.prediction, truth) for k in shown]
    trace: dict[str, Any] = {
        "type": "bar", "orientation": "h", "x": mean.tolist(), "y": places,
        "name": "Mean" if belief.num_samples > 1 else "Probability",
        "marker": {"color": colors}, "hovertemplate": "%{x:.2%}<extra></extra>",
    }  # fmt: skip
    if belief.num_samples > 1:
        trace["name"] = "Mean, and 5 to 95 % of the samples"
        trace["error_x"] = {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 5,
            "color": "@text/0.8",
            "array": np.maximum(belief.high[shown] - mean, 0).tolist(),
            "arrayminus": np.maximum(mean - belief.low[shown], 0).tolist(),
        }  # fmt: skip
    return trace


def _color(k: int, prediction: int, truth: int | None) -> str:
    if k == truth or (truth is None and k == prediction):
        return "@1/0.75"
    return "@2/0.75" if k == prediction else "@text/0.3"


def _dots(belief: Belief, shown: list[int]) -> dict[str, Any]:
    """A dot a sample, above and below the middle of its bar so that all are seen."""
    count = min(belief.num_samples, MAX_POINTS // len(shown))
    lift = 0.5 * ((np.arange(count) * 0.618034) % 1 - 0.5)
    places = np.arange(len(shown))[:, None] + lift
    return {
        "type": "scatter", "mode": "markers",
        "name": f"Each of {count} weight samples",
        "x": belief.samples[:count, shown].T.ravel().tolist(),
        "y": places.ravel().tolist(),
        "marker": {"size": 4, "color": "@text/0.45"},
        "hovertemplate": "%{x:.2%} in one sample<extra></extra>",
    }  # fmt: skip
