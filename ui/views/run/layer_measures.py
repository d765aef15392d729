"""The numbers that the posterior has for a layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ui.components.formats import compact, percent
from ui.components.series import Value, value

Layer = Mapping[str, Any]


@dataclass(frozen=True)
class Measure:
    """One number of a layer.

    Args:
        key: Its name in the address.
        title: Its name for people.
        note: What it says, in plain words.
        of: Computes it from a row of `trainers.layers`, None where it is not known.
        told: Writes it.
        share: Whether it is a share of one.
    """

    key: str
    title: str
    note: str
    of: Callable[[Layer], Value]
    told: Callable[[Any], str] = compact
    share: bool = False


def per_weight(key: str) -> Callable[[Layer], Value]:
    """A sum over the weights of a layer, divided by their number."""

    def of(layer: Layer) -> Value:
        total, number = value(layer.get(key)), value(layer.get("num_parameters"))
        return total / number if total is not None and number else None

    return of


MEASURES = (
    Measure(
        "deviation", "Deviation",
        "How far a weight may be off, on average. Small: the data determine it.",
        lambda layer: value(layer.get("deviation")),
    ),
    Measure(
        "signal_to_noise", "Signal-to-noise",
        "A typical weight over its deviation. Above 1 its sign is sure; far below, the "
        "weight could as well be 0.",
        lambda layer: value(layer.get("signal_to_noise")),
    ),
    Measure(
        "effective_share", "Effective parameters",
        "Share of the weights that the data pin down, each counted by how far it is "
        "narrower than the prior. A weight may be pinned down close to 0: then its "
        "signal-to-noise is low all the same.",
        per_weight("effective_parameters"), percent, share=True,
    ),
    Measure(
        "kl", "KL a weight",
        "Nats that the data have taught a weight: how far it has left the prior.",
        per_weight("kl"),
    ),
)  # fmt: skip


# What the first two say of a mixture, whose members may be far apart.
_OF_MIXTURES = {
    "deviation": "How far a weight differs over draws, on average: from member to "
    "member, and within each.",
    "signal_to_noise": "The members' average weight over its deviation. Above 1 they "
    "agree on its sign; far below, each has found weights of its own.",
}


# What they say of a width that does not come from how much the data say, such as that
# of SGD's walk.
_OF_A_METHOD = {
    "deviation": "How far a weight differs over draws, on average.",
    "signal_to_noise": "A typical weight over its deviation. Above 1 draws agree on "
    "its sign; far below, they do not.",
}
_SAME = 1e-3  # relative difference of what is the same number in all layers


def is_point(layers: Sequence[Layer]) -> bool:
    """Whether layers are of a posterior all of whose draws are one network."""
    return bool(layers) and all(value(row.get("deviation")) == 0.0 for row in layers)


def is_by_method(layers: Sequence[Layer]) -> bool:
    """Whether the width of layers is what the method makes it, with no prior in it."""
    unknown = all(value(row.get("effective_parameters")) is None for row in layers)
    return unknown and not is_mixture(layers)


def is_mixture(layers: Sequence[Layer]) -> bool:
    """Whether layers are of a mixture of posteriors, or of networks."""
    return any(value(row.get("between")) is not None for row in layers)


def known(layers: Sequence[Layer]) -> list[Measure]:
    """The measures that at least one layer has, as they are to be read there."""
    found = [
        each for each in MEASURES if any(each.of(row) is not None for row in layers)
    ]
    notes = _OF_MIXTURES if is_mixture(layers) else {}
    if is_by_method(layers):
        notes = _OF_A_METHOD
        found = [each for each in found if not _says_nothing(each, layers)]
    return [replace(each, note=notes.get(each.key, each.note)) for each in found]


def _says_nothing(measure: Measure, layers: Sequence[Layer]) -> bool:
    """Whether a ratio is the same in all layers: such as of a dropout rate."""
    if measure.key != "signal_to_noise" or len(layers) < 2:
        return False
    numbers = [number for row in layers if (number := measure.of(row)) is not None]
    return max(numbers) - min(numbers) <= _SAME * max(numbers)
