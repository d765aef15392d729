"""Form fields drawn from specifications, so that a new setting appears by itself.

A field does not enforce a range: what stands in it goes to the server, which checks it
with the rule that the command line uses, and the refusal is shown under the field.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from trainers.catalogue import OPTIMIZERS
from trainers.hyperparameters import AUTO, HyperParameter, OptimizerSpec
from ui.components.formats import plain, words

T = TypeVar("T")

NUM_COLUMNS = 3
NUM_VISIBLE = 6  # hyper-parameters shown at once; the rest are folded
_LABELS = {
    "lr": "Learning rate",
    "beta1": "Beta 1",
    "beta2": "Beta 2",
    "num_samples": "Samples",
    "kl_clip": "KL clip",
    "tail_lr": "Tail learning rate",
    "num_kept": "Kept",
    "max_rank": "Rank",
}


def label(item: HyperParameter) -> str:
    """The name of a hyper-parameter for people, with its unit."""
    unit = f" ({item.unit})" if item.unit else ""
    return _LABELS.get(item.name, words(item.name)) + unit


def setting_title(name: str) -> str:
    """The name of any setting for people, that of a hyper-parameter or another."""
    for spec in OPTIMIZERS.values():
        for item in spec.hyperparameters:
            if item.name == name:
                return label(item)
    return words(name)


def explanation(item: HyperParameter) -> str:
    """What stands behind the field's question mark."""
    default = f"{item.default:g}" if _is_number(item.default) else str(item.default)
    return (
        f"{plain(item.help)}  \nAllowed: {plain(item.condition)}. "
        f"Default: {plain(default)}."
    )


def step_size(item: HyperParameter) -> float:
    """A sensible step of the plus and minus buttons.

    One digit below the default's size, or below its distance from 1 where 1 is the end
    of the range: 0.9999 wants other steps than 0.5.
    """
    value = abs(float(item.default))
    if item.maximum == 1.0 and 0.5 < value < 1.0:
        value = 1.0 - value
    if value == 0.0:
        return 0.001
    # Rounded first: 1 - 0.9 is a little less than 0.1, and its logarithm below -1.
    return float(10.0 ** (math.floor(round(math.log10(value), 9)) - 1))


def field(item: HyperParameter, prefix: str) -> tuple[Any, str]:
    """Show one hyper-parameter.

    Args:
        item: Its specification.
        prefix: Start of the widget's key; another prefix has values of its own.

    Returns:
        What stands in the field, and what is wrong with it, "" if nothing.
    """
    value = _widget(item, f"{prefix}-{item.name}")
    if value is None and item.automatic:
        value = AUTO
    try:
        item.validated(value)
    except ValueError as error:
        shown = str(error).replace(item.name, label(item), 1)
        st.error(plain(shown), icon=":material/error:")
        return value, str(error)
    return value, ""


def _widget(item: HyperParameter, key: str) -> Any:
    name, told = label(item), explanation(item)
    if item.automatic:
        number = None if item.default == AUTO else float(item.default)
        step = step_size(item) if number is not None else None
        return st.number_input(
            name, value=number, step=step, format="%g", key=key, help=told,
            placeholder=AUTO,
        )  # fmt: skip
    if item.kind == "bool":
        return st.toggle(name, bool(item.default), key=key, help=told)
    if item.kind == "choice":
        index = item.choices.index(str(item.default))
        return st.selectbox(
            name, item.choices, index, key=key, help=told, format_func=words
        )
    if item.kind == "int":
        return st.number_input(
            name, value=int(item.default), step=1, key=key, help=told
        )
    return st.number_input(
        name, value=float(item.default), step=step_size(item), format="%g", key=key,
        help=told,
    )  # fmt: skip


def hyperparameters(
    spec: OptimizerSpec, prefix: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Show all hyper-parameters of an optimizer.

    Args:
        spec: The optimizer.
        prefix: Start of the widgets' keys; the optimizer's name by default.

    Returns:
        What stands in the fields by name, and what is wrong with them.
    """
    fields = [
        lambda item=item: (item.name, *field(item, prefix or spec.name))
        for item in spec.hyperparameters
    ]
    answers = in_columns(fields[:NUM_VISIBLE])
    if fields[NUM_VISIBLE:]:
        with st.expander("More hyper-parameters", icon=":material/tune:"):
            answers += in_columns(fields[NUM_VISIBLE:])
    values = {name: value for name, value, _ in answers}
    return values, [problem for _, _, problem in answers if problem]


def in_columns(
    fields: Sequence[Callable[[], T]], num_columns: int = NUM_COLUMNS
) -> list[T]:
    """Show fields side by side, row after row, and return their values in order."""
    answers = []
    for start in range(0, len(fields), num_columns):
        row = fields[start : start + num_columns]
        for place, show in zip(st.columns(num_columns), row, strict=False):
            with place:
                answers.append(show())
    return answers


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
