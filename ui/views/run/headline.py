"""The headline numbers of an evaluated run, each with what it means and rests on."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ui.components.formats import count, decimal, percent, plain

_METRICS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "accuracy": ("Accuracy", percent),
    "nll": ("NLL", decimal),
    "ece": ("ECE", lambda value: decimal(value, 4)),
    "brier": ("Brier score", decimal),
}
_UNITS = {"nll": " nats"}


def headline(content: Mapping[str, Any]) -> None:
    """Show the numbers of `evaluation.json` that a person asks for first."""
    detected = next(iter(content["ood"].values()), None)
    places = st.columns(len(_METRICS) + bool(detected))
    for place, name in zip(places, _METRICS, strict=False):
        with place:
            _metric(name, content)
    if detected:
        with places[-1]:
            _detection(detected, content["definitions"])
    st.caption(basis(content))


def basis(content: Mapping[str, Any]) -> str:
    """What the numbers rest on: examples, samples, and the split of the entropy."""
    examples = f"{count(content['num_examples'])} test examples"
    if not content["mean"]:
        return (
            f"On {examples}, one set of weights. A single network has no posterior "
            "samples that could disagree: its mutual information is 0 by definition."
        )
    metrics = content["metrics"]
    return (
        f"On {examples}; posterior predictive over {count(content['num_samples'])} "
        "weight samples, with the network at the posterior mean beside it. "
        f"Mean entropy {decimal(metrics['predictive_entropy'])} nats = "
        f"{decimal(metrics['expected_entropy'])} expected (aleatoric) + "
        f"{decimal(metrics['mutual_information'])} mutual information (epistemic)."
    )


def _metric(name: str, content: Mapping[str, Any]) -> None:
    label, show = _METRICS[name]
    mean = content["mean"]
    beside = f"{show(mean[name])} at the mean" if mean else None
    help_text = plain(content["definitions"].get(name, ""))
    interval = content.get("intervals", {}).get(name)
    if interval:
        low, high = map(percent, interval)
        help_text += f"  \n95 % interval over examples: {low} to {high}."
    st.metric(
        label,
        show(content["metrics"][name]) + _UNITS.get(name, ""),
        beside,
        delta_color="off",
        delta_arrow="off",
        help=help_text,
        border=True,
        height="stretch",
    )


def _detection(found: Mapping[str, Any], definitions: Mapping[str, str]) -> None:
    st.metric(
        "OOD AUROC",
        decimal(found["auroc"]),
        f"FPR95 {percent(found['fpr95'])}",
        delta_color="off",
        delta_arrow="off",
        help=plain(definitions.get("auroc", "")),
        border=True,
        height="stretch",
    )
