"""Tests of `ui/views/launch/recipe.py`; the launch page's tests use it."""

from streamlit.testing.v1 import AppTest

from tests.ui.seen import text
from trainers.config import DatasetConfig, TrainingConfig
from trainers.recipes import RECIPES, recipe_settings


def _page(name: str, dataset: str, batch_size: int) -> None:
    import streamlit as st

    from trainers.catalogue import OPTIMIZERS
    from trainers.config import DatasetConfig, TrainingConfig
    from ui.views.launch.recipe import recipe_buttons

    sections = {
        "dataset": lambda: DatasetConfig(name=dataset),
        "training": lambda: TrainingConfig(batch_size=batch_size, epochs=8),
    }
    recipe_buttons(OPTIMIZERS[name], sections)
    for key in ("sp_ngd-lr", "sp_ngd-momentum", "mixup", "random_erasing"):
        st.number_input(key, value=0.0, key=key)


def page(name="sp_ngd", dataset="fashion-mnist", batch_size=256):
    arguments = (name, dataset, batch_size)
    app = AppTest.from_function(_page, args=arguments, default_timeout=30).run()
    assert not app.exception
    return app


def test_it_fills_the_fields_of_the_optimizer_and_of_the_training():
    app = page()
    assert "For batches of 256 out of 54,000 examples and 8 epochs." in text(app)
    app.button[0].click().run()
    expected = recipe_settings(
        RECIPES["sp_ngd"],
        DatasetConfig(name="fashion-mnist"),
        TrainingConfig(batch_size=256, epochs=8),
    )
    for key in ("sp_ngd-lr", "sp_ngd-momentum", "mixup", "random_erasing"):
        assert app.number_input(key=key).value == expected[key.split("-")[-1]]


def test_other_optimizers_have_none():
    assert not page("sgd").button


def test_what_is_not_in_order_has_no_recipe():
    for app in (page(batch_size=0), page(dataset="folder")):
        assert app.button[0].disabled
        assert "Not before data" in text(app)
