"""The network of the launch form: which one, and what its training begins with."""

import os
from pathlib import Path
from typing import Any

import streamlit as st

from data import DATASETS
from trainers.catalogue import MODELS, TIMM_SUGGESTIONS, model_spec
from trainers.timm_catalogue import (
    TIMM_MODELS,
    TIMM_PREFIX,
    TimmSpec,
    timm_spec,
)
from ui.components import access
from ui.components.formats import plain

FINE_TUNING = (
    "Weights that are good already are easily spoilt: begin with a learning rate ten "
    "times smaller than for fresh ones, such as 0.0001 with AdamW, and a few epochs."
)


def model(dataset_name: str) -> dict[str, Any]:
    """Choose a network that takes the dataset's inputs, or name one of timm's.

    Returns:
        What `trainers.config.ModelConfig` takes, the file as it was typed.
    """
    points = DATASETS[dataset_name].kind == "points"
    kind = "points" if points else "image"
    names = [name for name, spec in MODELS.items() if kind in spec.inputs]
    name = st.selectbox(
        "Model",
        names if points else [*names, *TIMM_SUGGESTIONS],
        key=f"model-{kind}",
        format_func=model_title,
        accept_new_options=not points,
        help=f"Type {plain(TIMM_PREFIX)}NAME for any classifier of the timm library.",
    )
    name = meant(name or names[0])
    try:
        spec = model_spec(name)
    except ValueError:
        return {"name": name}  # the summary says what is wrong
    source = f"  \n{plain(spec.paper)}" if spec.paper else ""
    st.caption(plain(spec.summary) + source)
    if not name.startswith(TIMM_PREFIX):
        return {"name": name}
    return {"name": name, **_beginning(timm_spec(name))}


def meant(text: str) -> str:
    """The name of a network that somebody typed: `resnet18` and `lenet-5` will do."""
    typed = text.strip().casefold()
    for name, ours in MODELS.items():
        if typed in (name, ours.title.casefold()):
            return name
    for name, spec in TIMM_MODELS.items():
        if typed in (name, spec.title.casefold()):
            return TIMM_PREFIX + name
    return text.strip()


def model_title(name: str) -> str:
    """A network's name for people, with its size where that is known."""
    if name in MODELS:
        return MODELS[name].title
    known = timm_spec(name)
    if known is None or name != TIMM_PREFIX + known.name:
        return name
    return f"{known.title} · {known.millions:g} M · {name}"


def _beginning(known: TimmSpec | None) -> dict[str, Any]:
    """Ask what the training begins with."""
    none = known is not None and not known.weights
    pretrained = st.toggle(
        "Pretrained weights", key="pretrained", disabled=none,
        help="Downloads timm's weights from huggingface.co when the run starts, once "
        "a machine; the last layer is new.",
    )  # fmt: skip
    weights = st.text_input(
        "Weights of your own", key="weights", placeholder="none",
        disabled=not access.may_edit(),
        help="A .safetensors file on this machine with the weights of this network as "
        "timm saves them; taken in place of the download.",
    )  # fmt: skip
    chosen = {"pretrained": pretrained and not none, "weights": weights.strip() or None}
    if chosen["pretrained"] or chosen["weights"]:
        st.caption(f":material/tips_and_updates: {FINE_TUNING}")
    return chosen


def whole_weights(file: str | None) -> str | None:
    """The absolute path of a file of weights; the trainer runs elsewhere.

    Raises:
        ValueError: If there is no such file, or a viewer asks.
    """
    if file is None:
        return None
    if not access.may_edit():  # who would learn from the answer what there is
        raise ValueError("Only editors may name files of this machine.")
    path = Path(os.path.expanduser(file)).absolute()
    if not path.is_file():
        raise ValueError(f"There are no weights {path} on this machine.")
    return str(path)
