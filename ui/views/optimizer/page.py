"""The page on which an optimizer is chosen, read about and downloaded.

Its address is /optimizer?optimizer=NAME&HYPERPARAMETER=VALUE&loop=TAB&posterior=RUN.
"""

from collections.abc import Mapping

import streamlit as st

from trainers.hyperparameters import OptimizerSpec
from trainers.runs import Run
from ui.components.guarded import fragment, guarded
from ui.views.optimizer.about import about
from ui.views.optimizer.chosen import choose, values
from ui.views.optimizer.code import code
from ui.views.optimizer.costs import costs
from ui.views.optimizer.downloads import deployable, downloads
from ui.views.optimizer.kinds import kinds


def render() -> None:
    """Show the page."""
    st.markdown("## Optimizer")
    st.caption(
        "Pick one, read what it is and costs, set it, and take it into a project of "
        "yours."
    )
    spec = choose()
    kinds()
    about(spec)
    costs(spec)
    runs: Mapping[str, Run] = {}
    with guarded("The finished runs"):
        runs = deployable(spec)  # once: a field that changes must not look through all
    fragment("What is set and taken along", _taken)(spec, runs)


def _taken(spec: OptimizerSpec, runs: Mapping[str, Run]) -> None:
    """What depends on the form, which runs again alone when a field changes."""
    st.markdown("### Hyper-parameters")
    found, problems = values(spec)
    code(spec, found, problems)
    downloads(spec, found, problems, runs)
