"""The tab of what the posterior says of each layer, at the end and over time."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit import column_config as column

from trainers.catalogue import optimizer_spec
from trainers.config import RunConfig
from trainers.kinds import bayesian_examples
from trainers.runs import RunError
from trainers.status import ALIVE
from ui.components import reading
from ui.components.formats import compact, count, counted, percent
from ui.components.guarded import fragment
from ui.components.plot import panel
from ui.components.reading import Summary
from ui.components.series import MAX_POINTS, Row, value
from ui.views.run.drawn import ONE_NETWORK
from ui.views.run.layer_measures import (
    MEASURES,
    Layer,
    is_by_method,
    is_mixture,
    is_point,
    known,
)
from ui.views.run.layers import by_layer, name_of, over_time, thinned_epochs

REFRESH = 5.0  # seconds between two looks at a live run, which tells once an epoch
MEASURE = "layers_measure"  # of what is drawn over time; a name in the address too
Epochs = list[tuple[float, Sequence[Layer]]]


def render(view: Summary) -> None:
    """Show it."""
    if view.config is not None and not learns_posterior(view.config):
        _none(view.config)
        return
    alive = view.state in ALIVE
    fragment("The posterior", _live, REFRESH if alive else None)(view)


def learns_posterior(config: RunConfig) -> bool:
    """Whether a run learns a distribution over its weights."""
    optimizer = config.optimizer
    sampled = optimizer.hyperparameters.get("sampled", True)
    return optimizer_spec(optimizer.name).bayesian and bool(sampled)


def _none(config: RunConfig) -> None:
    title = optimizer_spec(config.optimizer.name).title
    st.info(
        f"**{title} trains one set of weights**, so there is no posterior to look at. "
        f"Train with a Bayesian optimizer, such as {bayesian_examples()}, to see how "
        "sure the data make the network of each layer: Clone this run and choose "
        "another optimizer.",
        icon=":material/scatter_plot:",
    )


def _live(view: Summary) -> None:
    epochs = epoch_layers(reading.metrics(view.run))
    layers = _final(view) or (epochs[-1][1] if epochs else [])
    if not layers:
        st.info(_missing(view.state), icon=":material/hourglass_empty:")
        return
    if is_point(layers):
        st.info(ONE_NETWORK, icon=":material/scatter_plot:")
        return
    _totals(layers)
    if len(layers) > MAX_POINTS:
        st.caption(f"The first {count(MAX_POINTS)} layers are drawn.")
    _by_layer(layers[:MAX_POINTS], view)
    st.markdown("### Over time")
    _over_time(epochs, view)
    st.markdown("### Numbers")
    _table(layers)


def epoch_layers(rows: Sequence[Row]) -> Epochs:
    """The layers after each epoch, of the rows that tell of them.

    Raises:
        ValueError: If a row is no list of layers.
    """
    found: Epochs = []
    for row in rows:
        epoch, layers = value(row.get("epoch")), row.get("posterior")
        if row.get("kind") == "epoch" and epoch is not None and layers:
            found.append((epoch, checked(layers)))
    return found


def checked(layers: Any) -> Sequence[Layer]:
    """Rows of layers as they stand in a file; ValueError for anything else."""
    rows = layers if isinstance(layers, list) else [layers]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("posterior must be a list of layers.")
    return rows


def _final(view: Summary) -> Sequence[Layer]:
    try:
        content = reading.evaluation(view.run)
    except RunError:
        return []  # told beside the headline
    return checked(content.get("posterior") or []) if content else []


def _missing(state: str) -> str:
    if state in ALIVE:
        return (
            "What the posterior says of each layer appears here after an epoch, and "
            "where it is gathered late or made at the end, then."
        )
    return (
        "This run says nothing of its posterior: it ended before its first epoch, or "
        "was trained by an older version."
    )


def _totals(layers: Sequence[Layer]) -> None:
    weights = _sum(layers, "num_parameters")
    determined, taught = _sum(layers, "effective_parameters"), _sum(layers, "kl")
    parts = [f"**{count(round(weights))} weights** in {counted(len(layers), 'layer')}."]
    if weights and determined:
        parts.append(
            f"By how far they are narrower than the prior, the data pin down "
            f"{percent(determined / weights)} of them "
            f"({count(round(determined))} effective parameters)."
        )
    if weights and taught:
        parts.append(
            f"KL from the prior: {count(round(taught))} nats, "
            f"{compact(taught / weights)} a weight."
        )
    st.markdown(" ".join(parts))
    st.caption(f"Layers stand in the order of the model. {_reading(layers)}".strip())


def _reading(layers: Sequence[Layer]) -> str:
    """How a deviation is to be read."""
    if is_mixture(layers):
        return (
            "The posterior is a mixture: a deviation tells how far its members lie "
            "apart and how unsure each is. Networks that compute the same with their "
            "units in another order lie apart too, so a large one is no doubt that "
            "reaches predictions."
        )
    if is_by_method(layers):
        return (
            "A width is what the method makes it, such as that of SGD's walk, which "
            "its learning rate decides, or the dropout rate: it tells how far draws "
            "differ, not how well the data determine a weight."
        )
    return (
        "A deviation far below the prior's means that the data pin a weight down, "
        "be it close to 0, where its signal-to-noise is low all the same; one near "
        "the prior's means that they leave it open, and its doubt reaches "
        "predictions."
    )


def _sum(layers: Sequence[Layer], key: str) -> float:
    return sum(value(layer.get(key)) or 0.0 for layer in layers)


def rounded(given: Any) -> int | None:
    """The next whole number, None for what is no number."""
    found = value(given)
    return None if found is None else round(found)


def _by_layer(layers: Sequence[Layer], view: Summary) -> None:
    shown = known(layers)
    for start in range(0, len(shown), 2):
        pair = shown[start : start + 2]
        for place, measure in zip(st.columns(len(pair)), pair, strict=True):
            drawn, alt = by_layer(layers, measure)
            with place:
                panel(measure.title, drawn, key=f"layers-{measure.key}", alt=alt,
                      note=measure.note, revision=view.run.id)  # fmt: skip


def _over_time(epochs: Epochs, view: Summary) -> None:
    if not epochs:
        st.caption(
            "There is the end alone: the posterior was made when training was over, "
            "or an older version trained this run."
        )
        return
    options = {each.title: each for each in known(epochs[-1][1])}
    title = st.segmented_control(
        "Measure", list(options), default=next(iter(options), None), key=MEASURE,
        bind="query-params", required=True, label_visibility="collapsed",
    )  # fmt: skip
    measure = options.get(str(title), MEASURES[0])
    kept = thinned_epochs(epochs)
    drawn, alt = over_time(kept, measure)
    note = measure.note
    if len(kept) < len(epochs):
        note += f" {count(len(kept))} of {count(len(epochs))} epochs are drawn."
    panel(
        f"{measure.title} after each epoch", drawn, key="layers-over-time", alt=alt,
        note=note, revision=f"{view.run.id} {measure.key}",
    )  # fmt: skip


def _table(layers: Sequence[Layer]) -> None:
    measures, mixture = known(layers), is_mixture(layers)
    told = any(measure.key == "kl" for measure in measures)
    lines = [
        {"Layer": name_of(layer), "Weights": value(layer.get("num_parameters"))}
        | {measure.title: measure.of(layer) for measure in measures}
        | ({"KL": rounded(layer.get("kl"))} if told else {})
        | ({"Between": value(layer.get("between"))} if mixture else {})
        for layer in layers
    ]
    st.dataframe(
        lines,
        hide_index=True,
        column_config={
            "Weights": column.NumberColumn(format="localized"),
            "Deviation": column.NumberColumn(format="%.3g"),
            "Signal-to-noise": column.NumberColumn(
                format="%.3g", help="Median of |mean| / deviation."
            ),
            "Effective parameters": column.NumberColumn(
                format="percent", help="Sum of 1 - prior precision / precision."
            ),
            "KL a weight": column.NumberColumn(format="%.3g", help="In nats."),
            "KL": column.NumberColumn(
                "KL (nats)", format="localized", help="From the prior, in all."
            ),
            "Between": column.NumberColumn(
                "Between members",
                format="percent",
                help="Share of the variance that is from member to member.",
            ),
        },
    )
