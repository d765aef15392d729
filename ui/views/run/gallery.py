"""The gallery: test images beside what the network believed of them, as HTML."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ui.components.formats import decimal, percent

NUM_BARS = 3  # most probable classes shown of each image
SHOWN = 76  # pixels of an image on the page
# Of the palette of Okabe and Ito; both stand out on light and on dark.
RIGHT, WRONG, OTHER = "#0A84C6", "#D55E00", "rgba(128,140,152,0.55)"


def gallery_html(
    entries: Sequence[Mapping[str, Any]],
    images: NDArray[np.uint8],
    names: Sequence[str],
) -> str:
    """Lay images out as cards.

    Args:
        entries: Of `evaluation.json`: image, index, label, prediction, confidence,
            entropy, mutual_information, probabilities.
        images: Of `gallery.npz`, [K, H, W] or [K, H, W, 3].
        names: Class names, [C]; the user's own words, so they are escaped.

    Returns:
        HTML without scripts.
    """
    cards = "".join(_card(entry, images[entry["image"]], names) for entry in entries)
    return (
        '<div style="display:grid;gap:12px;'
        f'grid-template-columns:repeat(auto-fill,minmax(188px,1fr))">{cards}</div>'
    )


def picture(image: NDArray[np.uint8]) -> str:
    """An image as a data address that needs no file and no server."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _card(
    entry: Mapping[str, Any], image: NDArray[np.uint8], names: Sequence[str]
) -> str:
    true, said = names[entry["label"]], names[entry["prediction"]]
    right = entry["label"] == entry["prediction"]
    alt = f"Test image {entry['index']}: {true}, predicted {said}"
    title = (
        f"Test image {entry['index']}: entropy {decimal(entry['entropy'])} nats, "
        f"mutual information {decimal(entry['mutual_information'])} nats"
    )
    return (
        f'<div title="{escape(title)}" style="display:flex;gap:10px;padding:10px;'
        'align-items:center;border:1px solid rgba(128,140,152,0.28);border-radius:8px">'
        f'<img src="{picture(image)}" alt="{escape(alt)}" style="width:{SHOWN}px;'
        f"height:{SHOWN}px;object-fit:contain;image-rendering:pixelated;"
        'border-radius:4px;flex:none">'
        '<div style="flex:1;min-width:0;font-size:0.8rem;line-height:1.3">'
        f"{_verdict(true, said, right)}{_bars(entry, names)}</div></div>"
    )


def _verdict(true: str, said: str, right: bool) -> str:
    mark = "✓" if right else f"✗ is {escape(true)}"
    color = RIGHT if right else WRONG
    return (
        '<div style="font-weight:600;margin-bottom:4px;overflow-wrap:anywhere">'
        f'{escape(said)} <span style="color:{color}">{mark}</span></div>'
    )


def _bars(entry: Mapping[str, Any], names: Sequence[str]) -> str:
    probabilities = entry["probabilities"]
    order = sorted(range(len(probabilities)), key=lambda k: -probabilities[k])
    shown = order[:NUM_BARS]
    if entry["label"] not in shown:
        shown[-1] = entry["label"]  # the truth is what one looks for
    return "".join(_bar(k, entry, names[k]) for k in shown)


def _bar(k: int, entry: Mapping[str, Any], name: str) -> str:
    share = entry["probabilities"][k]
    color = RIGHT if k == entry["label"] else OTHER
    if k == entry["prediction"] != entry["label"]:
        color = WRONG
    return (
        '<div style="display:flex;justify-content:space-between;gap:6px;opacity:0.85">'
        '<span style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap">'
        f"{escape(name)}</span><span>{percent(share)}</span></div>"
        '<div style="height:4px;border-radius:2px;margin-bottom:4px;'
        'background:rgba(128,140,152,0.16)"><div style="height:4px;border-radius:2px;'
        f'width:{100 * share:.1f}%;background:{color}"></div></div>'
    )
