"""The headline numbers of an evaluated run, each with what it means and rests on."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ui.components.formats import count, counted, decimal, number, percent, plain
from ui.components.labels import data_title
from ui.views.run.drawn import drawn, undivided

_METRICS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "accuracy": ("Accuracy", percent),
    "nll": ("NLL (nats)", decimal),
    "ece": ("ECE", lambda value: percent(value, 2)),
    "brier": ("Brier score", decimal),
}
_INTERVALS = "The range is the 95 % interval over examples."


def headline(content: Mapping[str, Any]) -> None:
    """Show the numbers of `evaluation.json` that a person asks for first."""
    detected = next(iter(content["ood"].items()), None)
    places = st.columns(len(_METRICS) + bool(detected))
    for place, name in zip(places, _METRICS, strict=False):
        with place:
            _metric(name, content)
    if detected:
        with places[-1]:
            name, found = detected
            _detection(name, found, content["definitions"], len(content["ood"]))
    st.caption(basis(content))


def basis(content: Mapping[str, Any]) -> str:
    """What the numbers rest on: examples, samples, and the split of the entropy."""
    examples = f"{count(content['num_examples'])} test examples"
    if why := undivided(content):
        return f"On {examples}. {why}"
    metrics = content["metrics"]
    # The mean of several networks is none: such a posterior has no numbers there.
    beside = (
        ", with the network at the posterior mean beside it" if content["mean"] else ""
    )
    return (
        f"On {examples}; posterior predictive over {drawn(content)}{beside}. "
        f"Mean entropy {decimal(metrics['predictive_entropy'])} nats = "
        f"{decimal(metrics['expected_entropy'])} expected (aleatoric) + "
        f"{decimal(metrics['mutual_information'])} mutual information (epistemic)."
    )


def interval_text(interval: Any, show: Callable[[Any], str]) -> str:
    """An interval in the digits of its number; "" where there is none.

    Args:
        interval: Its two ends, of `evaluation.json`.
        show: Writes the number.
    """
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return ""
    if not all(number(end) for end in interval):
        return ""
    low, high = (show(end).removesuffix(" %") for end in interval)
    unit = " %" if show(interval[0]).endswith(" %") else ""
    return f"{low} to {high}{unit}"


def _metric(name: str, content: Mapping[str, Any]) -> None:
    label, show = _METRICS[name]
    mean, told = content["mean"], content.get("intervals") or {}
    _card(
        label,
        show(content["metrics"][name]),
        f"{show(mean[name])} at the mean" if mean else "",
        interval_text(told.get(name), show),
        str(content["definitions"].get(name, "")),
    )


def _detection(
    name: str, found: Mapping[str, Any], definitions: Mapping[str, str], num_sets: int
) -> None:
    told = found.get("intervals") or {}
    first = f", the first of {counted(num_sets, 'set')}" if num_sets > 1 else ""
    _card(
        "OOD AUROC",
        decimal(found["auroc"]),
        f"FPR95 {percent(found['fpr95'])}  \nagainst {plain(data_title(name))}{first}",
        interval_text(told.get("auroc"), decimal),
        str(definitions.get("auroc", "")),
    )


def _card(label: str, value: str, beside: str, interval: str, meaning: str) -> None:
    """A number, its interval, and what stands beside it."""
    meaning = plain(meaning) + (f"  \n{_INTERVALS}" if interval else "")
    told = [f"95 %: {interval}"] if interval else []
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(label, value, help=meaning)
        st.caption("  \n".join([*told, beside]))
