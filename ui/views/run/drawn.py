"""What a prediction was averaged over: one set of weights, draws, or networks."""

from collections.abc import Mapping, Sequence
from typing import Any

from trainers.kinds import bayesian_examples
from ui.components.formats import counted
from ui.components.series import value
from ui.views.run.layer_measures import Layer, is_point

ONE_NETWORK = (
    "The posterior is one network: this training was too short to keep more, or its "
    "settings ask for one. Train longer, or ask for more cycles, members or weights "
    "that are kept."
)
_ONE_SET = (
    "It is one set of weights. A single network has no posterior samples that could "
    "disagree: its mutual information is 0 by definition."
)
_ONE_DRAW = (
    "One draw of the weights has nothing to disagree with: evaluate with more samples."
)
_NO_MAP = "There is no map of it:"
_CANNOT = (
    "one set of weights cannot disagree with itself, so its entropy cannot be split."
)


def drawn(content: Mapping[str, Any]) -> str:
    """Over what an evaluation averages, "8 weight samples" or "5 networks"."""
    layers = layers_of(content)
    apart = [value(layer.get("between")) for layer in layers]
    networks = bool(layers) and all(share == 1.0 for share in apart)
    return counted(content["num_samples"], "network" if networks else "weight sample")


def undivided(content: Mapping[str, Any]) -> str:
    """Why the entropy of an evaluation is not split, for the headline; "" if it is."""
    if content["num_samples"] > 1:
        return ""
    layers = layers_of(content)
    return _alone(layers) if layers else _ONE_SET


def no_map(content: Mapping[str, Any]) -> str:
    """Why there is no map of a part of the entropy; "" if there is one."""
    if content["num_samples"] > 1:
        return ""
    layers = layers_of(content)
    train = (
        f"Train with a Bayesian optimizer, such as {bayesian_examples()}, to see "
        "where data are missing."
    )
    advice = _alone(layers) if layers else train
    return f"{_NO_MAP} {_CANNOT} {advice}"


def _alone(layers: Sequence[Layer]) -> str:
    """Why a posterior was asked for one set of weights."""
    return ONE_NETWORK if is_point(layers) else _ONE_DRAW


def layers_of(content: Mapping[str, Any]) -> Sequence[Layer]:
    """The layers of a posterior, as far as the file has such; [] where there is none.

    Args:
        content: The evaluation, of which the tab of the posterior tells what is wrong.
    """
    rows = content.get("posterior")
    return [row for row in rows if isinstance(row, dict)] if type(rows) is list else []
