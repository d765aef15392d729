"""Cards of a gallery: an image beside what the network believed of it, as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ui.components.formats import decimal, percent
from ui.components.images import Kept, data_url
from ui.components.predictions import Part
from ui.views.run.distribution import shown_classes, spread

NUM_BARS = 3  # most probable classes shown of each image


@dataclass(frozen=True, eq=False)
class Card:
    """An example of a set.

    Args:
        row: Its row among the predictions.
        image: uint8 [H, W] or [H, W, 3]; None if it was not kept.
        mean: Predictive probabilities, [C].
        low: 5th percentile over the samples, [C].
        high: 95th percentile, [C].
        total: Predictive entropy in nats.
        mutual_information: Its epistemic part.
        label: The true class; None out of distribution.
    """

    row: int
    image: NDArray[np.uint8] | None
    mean: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    total: float
    mutual_information: float
    label: int | None

    @property
    def prediction(self) -> int:
        """The most probable class."""
        return int(self.mean.argmax())


def cards_of(part: Part, rows: NDArray[np.int64], images: Kept | None) -> list[Card]:
    """The cards of some rows of a set."""
    low, high = spread(part.samples_of(rows))
    return [
        Card(
            row=int(row),
            image=images.of(int(row)) if images else None,
            mean=part.mean[row], low=low[k], high=high[k],
            total=float(part.total[row]),
            mutual_information=float(part.mutual_information[row]),
            label=None if part.labels is None else int(part.labels[row]),
        )
        for k, row in enumerate(rows)
    ]  # fmt: skip


def gallery_html(
    cards: Sequence[Card],
    names: Sequence[str],
    kind: str = "Test image",
    *,
    sampled: bool = True,
    chosen: int | None = None,
) -> str:
    """Lay cards out, each as a button that chooses it.

    Args:
        cards: The cards.
        names: Class names, [C]; the user's own words, so they are escaped.
        kind: What an example is called, before its number.
        sampled: Whether there are samples, whose spread is drawn.
        chosen: Row of the card that is chosen.

    Returns:
        HTML without scripts.
    """
    return "".join(
        f'<button type="button" class="card" data-row="{card.row}" '
        f'aria-pressed="{str(card.row == chosen).lower()}" '
        f'title="{escape(_told(card, names, kind))}">'
        f'{_picture(card, names, kind)}<span class="believed">'
        f"{_verdict(card, names)}{_bars(card, names, sampled)}"
        f"{_facts(card, sampled)}</span></button>"
        for card in cards
    )


def _told(card: Card, names: Sequence[str], kind: str) -> str:
    low, high = card.low[card.prediction], card.high[card.prediction]
    return (
        f"{kind} {card.row}: predicted {names[card.prediction]} at "
        f"{percent(float(card.mean.max()))} ({percent(float(low))} to "
        f"{percent(float(high))} in 5 to 95 % of the samples), entropy "
        f"{decimal(card.total)} nats, mutual information "
        f"{decimal(card.mutual_information)} nats"
    )


def _picture(card: Card, names: Sequence[str], kind: str) -> str:
    if card.image is None:
        return '<span class="missing">no image kept</span>'
    is_what = "" if card.label is None else f", {names[card.label]}"
    alt = f"{kind} {card.row}{is_what}, predicted {names[card.prediction]}"
    return f'<img src="{data_url(card.image)}" alt="{escape(alt)}">'


def _verdict(card: Card, names: Sequence[str]) -> str:
    said = escape(names[card.prediction])
    if card.label is None:
        mark = ""
    elif card.label == card.prediction:
        mark = ' <span class="right">✓</span>'
    else:
        mark = f' <span class="wrong">✗</span> is {escape(names[card.label])}'
    return f'<span class="verdict">{said}{mark}</span>'


def _bars(card: Card, names: Sequence[str], sampled: bool) -> str:
    shown = shown_classes(card.mean, card.label, NUM_BARS)
    return "".join(_bar(card, k, names[k], sampled) for k in shown)


def _bar(card: Card, k: int, name: str, sampled: bool) -> str:
    kind = "right" if k == card.label else "other"
    if k == card.prediction and k != card.label:
        kind = "other" if card.label is None else "wrong"
    low, high = 100 * float(card.low[k]), 100 * float(card.high[k])
    whisker = (
        f'<span class="spread" style="left:{low:.1f}%;width:{high - low:.1f}%"></span>'
        if sampled
        else ""
    )
    return (
        f'<span class="named"><span class="name">{escape(name)}</span>'
        f"<span>{percent(float(card.mean[k]))}</span></span>"
        f'<span class="track"><span class="fill {kind}" '
        f'style="width:{100 * float(card.mean[k]):.1f}%"></span>{whisker}</span>'
    )


def _facts(card: Card, sampled: bool) -> str:
    parts = [f"entropy {decimal(card.total, 2)}"]
    if sampled:
        parts.append(f"MI {decimal(card.mutual_information, 2)}")
    return f'<span class="facts">{" · ".join(parts)}</span>'
