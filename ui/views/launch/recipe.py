"""The button that fills the launch form with a recipe."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from trainers.hyperparameters import OptimizerSpec
from trainers.recipes import RECIPES, Recipe, num_training, recipe_settings
from ui.components.formats import count, plain


def recipe_buttons(
    spec: OptimizerSpec, sections: Mapping[str, Callable[[], Any]]
) -> None:
    """Offer the recipes of an optimizer.

    Args:
        spec: The optimizer.
        sections: How to build the sections "dataset" and "training" of what stands in
            the form; without those that are in order there is no recipe.
    """
    for recipe in RECIPES.values():
        if recipe.optimizer == spec.name:
            _offer(recipe, spec, sections)


def _offer(
    recipe: Recipe, spec: OptimizerSpec, sections: Mapping[str, Callable[[], Any]]
) -> None:
    try:
        dataset, training = sections["dataset"](), sections["training"]()
        settings = recipe_settings(recipe, dataset, training)
        basis = (
            f"For batches of {count(training.batch_size)} out of "
            f"{count(num_training(dataset))} examples and {training.epochs} epochs."
        )
    except (ValueError, TypeError):
        settings, basis = {}, "Not before data, batch size and epochs are in order."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            recipe.title, icon=":material/menu_book:", key=f"recipe-{recipe.name}",
            on_click=st.session_state.update, args=(_by_key(spec, settings),),
            disabled=not settings,
            help="Fill hyper-parameters, schedule and augmentation with values that "
            f"belong together; change them as you like. {plain(recipe.paper)}.",
        )  # fmt: skip
        st.caption(basis)


def _by_key(spec: OptimizerSpec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by the keys of their fields."""
    own = spec.defaults()
    return {
        f"{spec.name}-{name}" if name in own else name: value
        for name, value in settings.items()
    }
