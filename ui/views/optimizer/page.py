"""The page on which an optimizer is chosen, read about and downloaded.

Its address is /optimizer?optimizer=NAME&HYPERPARAMETER=VALUE&loop=TAB&posterior=RUN.
"""

import streamlit as st

from trainers.hyperparameters import OptimizerSpec
from ui.views.optimizer.about import about
from ui.views.optimizer.chosen import choose, values
from ui.views.optimizer.code import code
from ui.views.optimizer.costs import costs
from ui.views.optimizer.downloads import downloads


def render() -> None:
    """Show the page."""
    st.markdown("## Optimizer")
    st.caption(
        "Pick one, read what it is and costs, set it, and take it into a project of "
        "yours."
    )
    spec = choose()
    about(spec)
    costs(spec)
    st.fragment(_taken)(spec)


def _taken(spec: OptimizerSpec) -> None:
    """What depends on the form, which runs again alone when a field changes."""
    st.markdown("### Hyper-parameters")
    found, problems = values(spec)
    code(spec, found, problems)
    downloads(spec, found, problems)
