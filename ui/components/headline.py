"""The headline numbers of an evaluated run, each with what it means and rests on."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ui.components.formats import count, decimal, percent, plain

_METRICS = {
    "accuracy": ("Accuracy", percent),
    "nll": ("NLL", decimal),
    "ece": ("ECE", lambda value: decimal(value, 4)),
    "brier": ("Brier score", decimal),
}
_UNITS = {"nll": " nats"}


def headline(content: Mapping[str, Any]) -> None:
    """Show the numbers of `evaluation.json` that a person asks for first."""
    places = st.columns(len(_METRICS) + 1)
    for place, name in zip(places, _METRICS, strict=False):
        with place:
            _metric(name, content)
    with places[-1]:
        _detection(content)
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


def _detection(content: Mapping[str, Any]) -> None:
    found = next(iter(content["ood"].values()), None)
    st.metric(
        "OOD AUROC",
        decimal(found["auroc"]) if found else "–",
        f"FPR95 {percent(found['fpr95'])}" if found else None,
        delta_color="off",
        delta_arrow="off",
        help=plain(content["definitions"].get("auroc", "")),
        border=True,
        height="stretch",
    )
