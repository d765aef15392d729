"""What the tabs of an evaluated run stand on, and what they say before it is one."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from trainers.mapped import mapped_array
from trainers.runs import Run, RunError
from trainers.status import ALIVE
from ui.components import reading
from ui.components.reading import Summary


def evaluated(view: Summary, what: str) -> dict[str, Any] | None:
    """The evaluation of a run; where there is none, the page says why.

    Args:
        view: The run.
        what: What the tab would show, such as "How far it can be trusted".
    """
    try:
        content = reading.evaluation(view.run)
    except RunError:
        return None  # told beside the headline
    if content is None:
        when = (
            "appears here by itself when the run has been evaluated, after its last "
            "epoch."
            if view.state in ALIVE
            else "is known of runs that finished; this one was not evaluated."
        )
        st.info(f"{what} {when}", icon=":material/hourglass_empty:")
    return content


def class_names(run: Run, content: Mapping[str, Any]) -> list[str]:
    """A name for each class that the run predicts, "class 7" for one without.

    Args:
        run: The run.
        content: Its evaluation.

    Raises:
        KeyError: If it names no classes at all.
        TypeError: Likewise.
    """
    names = [str(each) for each in content["class_names"]]
    try:
        number = int(mapped_array(run.predictions, "probabilities").shape[-1])
    except (RunError, IndexError):
        number = len(names)  # what needs the predictions tells
    return [*names, *(f"class {k}" for k in range(len(names), number))]
