"""The fields of the launch form that are not hyper-parameters."""

from functools import partial
from typing import Any

import streamlit as st

from data import DATASETS, DatasetSpec
from trainers.catalogue import OPTIMIZERS
from trainers.config import (
    OOD_AUTO,
    OOD_NONE,
    DatasetConfig,
    EvaluationConfig,
    TrainingConfig,
)
from trainers.hyperparameters import OptimizerSpec
from ui.components.formats import count, plain, words
from ui.components.forms import in_columns
from ui.components.methods import choose_method

_TRAINING = TrainingConfig()
_EVALUATION = EvaluationConfig()
_DATA = DatasetConfig(name="digits")

SMALL = 5_000  # examples; an epoch over fewer is a handful of steps
SMALL_EPOCHS = 60


def dataset() -> dict[str, Any]:
    """Choose a dataset; returns its name and kind."""
    names = [name for name, spec in DATASETS.items() if not spec.ood_only]
    name = st.selectbox(
        "Dataset", names, key="dataset", format_func=lambda k: DATASETS[k].title
    )
    spec = DATASETS[name]
    st.caption(f"{plain(spec.summary)}  \n{plain(facts(spec))}")
    return {"name": name, "kind": spec.kind}


def facts(spec: DatasetSpec) -> str:
    """Size, shape, classes and licence of a dataset in a line."""
    parts = []
    if spec.train_size is not None:
        parts.append(f"{count(spec.train_size + (spec.test_size or 0))} examples")
    if spec.shape is not None and spec.kind == "image":
        channels, height, width = spec.shape
        parts.append(f"{height}×{width} {'colour' if channels == 3 else 'grey'}")  # noqa: RUF001
    if spec.num_classes is not None:
        parts.append(f"{spec.num_classes} classes")
    return " · ".join([*parts, f"licence: {spec.licence}"])


def optimizer() -> OptimizerSpec:
    """Choose an optimizer."""
    return choose_method("optimizer")


def about(name: str | None) -> None:
    """Say what the chosen optimizer gives and where it comes from."""
    spec = OPTIMIZERS.get(name or "", next(iter(OPTIMIZERS.values())))
    with st.container(border=True):
        st.markdown(f"**About {spec.title}**")
        if spec.bayesian:
            st.badge("Bayesian", color="green", icon=":material/blur_on:")
        else:
            st.badge("One set of weights", color="gray", icon=":material/adjust:")
        st.markdown(plain(spec.summary))
        st.caption(plain(spec.paper))


def suggested_epochs(spec: DatasetSpec) -> int:
    """Epochs the form begins with: more for the small sets."""
    small = spec.train_size is not None and spec.train_size < SMALL
    return SMALL_EPOCHS if small else _TRAINING.epochs


def training(dataset_name: str) -> dict[str, Any]:
    """The settings that most runs change."""
    whole = partial(_whole, default=_TRAINING)
    answers = in_columns([
        lambda: _epochs(dataset_name),
        lambda: whole("batch_size", "Examples a step."),
        lambda: whole("seed", "Of initial weights, batch order and weight noise."),
    ])
    return dict(answers)


def advanced(dataset_name: str, spec: OptimizerSpec) -> dict[str, Any]:
    """The settings that few runs change."""
    alone = not spec.bayesian
    note = " One set of weights has nothing to sample." if alone else ""
    answers = in_columns(
        [
            lambda: _whole("log_interval", "Steps between two log lines.", _TRAINING),
            lambda: _whole("test_samples", "Weight samples of the final evaluation."
                           + note, _EVALUATION, "Samples, final", alone),
            lambda: _whole("validation_samples", "Weight samples after each epoch."
                           + note, _EVALUATION, "Samples, each epoch", alone),
            lambda: _ood(dataset_name),
            _fraction,
            lambda: _whole("split_seed", "Which examples are held out. Kept apart from "
                           "the seed, so that runs compare on the same test set.",
                           _DATA),
        ]
    )  # fmt: skip
    return dict(answers)


def _epochs(dataset_name: str) -> tuple[str, Any]:
    answer = st.number_input(
        "Epochs", value=suggested_epochs(DATASETS[dataset_name]), step=1,
        key=f"epochs-{dataset_name}", help="Passes over the training data.",
    )  # fmt: skip
    return "epochs", answer


def _whole(
    name: str, told: str, default: Any, title: str = "", disabled: bool = False
) -> tuple[str, Any]:
    value = getattr(default, name)
    answer = st.number_input(
        title or words(name), value=value, step=1, key=name, help=told,
        disabled=disabled,
    )  # fmt: skip
    return name, answer


def _fraction() -> tuple[str, float]:
    told = "Share of the training data held out for the curves, from 0 to 0.5."
    answer = st.number_input(
        "Validation share", value=_DATA.validation_fraction, step=0.05, format="%g",
        key="validation_fraction", help=told,
    )  # fmt: skip
    return "validation_fraction", answer


def _ood(dataset_name: str) -> tuple[str, str]:
    spec = DATASETS[dataset_name]
    others = [
        name
        for name, other in DATASETS.items()
        if other.kind == "image" and name != dataset_name and spec.kind != "points"
    ]
    partners = ", ".join(DATASETS[name].title for name in spec.ood_partners)
    told = f"Automatic takes the first at hand of: {partners or 'none'}."
    answer = st.selectbox(
        "Out-of-distribution set", [OOD_AUTO, OOD_NONE, *others],
        key=f"ood-{dataset_name}", help=plain(told), format_func=_ood_title,
    )  # fmt: skip
    return "ood", answer


def _ood_title(name: str) -> str:
    known = {OOD_AUTO: "Automatic", OOD_NONE: "None"}
    return known.get(name) or DATASETS[name].title
