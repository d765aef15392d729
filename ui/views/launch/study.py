"""The buttons that fill the sweep of the launch form with a study."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from trainers.config import RunConfig
from trainers.hyperparameters import OptimizerSpec
from trainers.studies import STUDIES, Study
from trainers.sweep import GRID
from ui.components.formats import counted, plain
from ui.views.launch.plans import SWEEP
from ui.views.launch.several import NUM_AXES


def study_buttons(
    spec: OptimizerSpec, sections: Mapping[str, Callable[[], Any]]
) -> None:
    """Offer the studies that fit an optimizer.

    Args:
        spec: The optimizer.
        sections: How to build each section of the configuration of what stands in the
            form; a study of the prior takes multiples of a value that hangs on them.
    """
    fitting = [study for study in STUDIES.values() if study.fits(spec)]
    if not fitting:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Studies:", width="content")
        for study in fitting:
            _offer(study, sections)


def _offer(study: Study, sections: Mapping[str, Callable[[], Any]]) -> None:
    try:
        config = RunConfig(**{name: build() for name, build in sections.items()})
        fields = field_values(study, config)
        told = counted(len(study.values) * len(study.seeds), "run")
        told = f"{told}: {len(study.values)} values with {len(study.seeds)} seeds each."
    except (ValueError, TypeError):
        fields, told = {}, "Not before the rest of the form is in order."
    st.button(
        study.title, icon=":material/science:", key=f"study-{study.name}",
        on_click=st.session_state.update, args=(fields,), disabled=not fields,
        help=f"{plain(study.summary)} {told} {plain(study.paper)}.",
    )  # fmt: skip


def field_values(study: Study, config: RunConfig) -> dict[str, Any]:
    """What stands in the fields of a sweep for a study, by key.

    Args:
        study: The study.
        config: The run that the form describes.

    Raises:
        ValueError: If the study does not fit it.
    """
    values = ", ".join(map(_word, study.values_for(config)))
    others = {f"axis-{number}": None for number in range(1, NUM_AXES)}
    return {
        "kind": SWEEP,
        "axis-0": study.axis,
        "values-0": values,
        **others,
        "seeds": ", ".join(map(str, study.seeds)),
        "sweep-mode": GRID,
    }


def _word(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
