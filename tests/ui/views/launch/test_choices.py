"""Tests of `ui/views/launch/choices.py`."""

import pytest
from streamlit.testing.v1 import AppTest

from data import DATASETS
from tests.ui.seen import text
from trainers.config import EvaluationConfig, TrainingConfig
from ui.views.launch.choices import facts, suggested_epochs


def test_facts_tell_size_shape_classes_and_licence():
    assert facts(DATASETS["cifar10"]) == (
        "60,000 examples · 32×32 colour · 10 classes · licence: none stated"  # noqa: RUF001
    )
    assert facts(DATASETS["folder"]) == "licence: yours"


def _page(dataset_name: str, optimizer_name: str) -> None:
    import streamlit as st

    from trainers.catalogue import OPTIMIZERS
    from ui.views.launch import choices, devices, options

    spec = OPTIMIZERS[optimizer_name]
    st.session_state["answer"] = {
        **choices.training(dataset_name),
        **options.options(),
        **choices.advanced(dataset_name, spec),
        **devices.placing(),
    }
    choices.about(optimizer_name)


def page(dataset, optimizer):
    app = AppTest.from_function(_page, args=(dataset, optimizer), default_timeout=30)
    app.run()
    assert not app.exception
    return app


def test_settings_start_with_the_defaults_of_the_command_line():
    answer = page("fashion-mnist", "vogn").session_state["answer"]
    for section in (TrainingConfig(), EvaluationConfig()):
        for name, value in vars(section).items():
            assert answer[name] == value


def test_out_of_distribution_sets_are_other_images():
    offered = page("digits", "vogn").selectbox(key="ood-digits").options
    assert offered[:2] == ["Automatic", "None"]
    assert DATASETS["photo-patches"].title in offered
    assert DATASETS["digits"].title not in offered
    assert DATASETS["moons"].title not in offered
    assert page("moons", "vogn").selectbox(key="ood-moons").options == offered[:2]


def test_samples_are_asked_for_only_where_there_is_a_posterior():
    assert page("digits", "adamw").number_input(key="test_samples").disabled
    for name in ("vogn", "noisy_kfac"):
        assert not page("digits", name).number_input(key="test_samples").disabled


def test_the_optimizer_is_told_with_its_paper():
    assert "arXiv:1906.02506" in text(page("digits", "vogn"))


@pytest.mark.parametrize(
    ("name", "epochs"), [("digits", 60), ("moons", 60), ("fashion-mnist", 5)]
)
def test_small_sets_begin_with_more_epochs(name, epochs):
    assert suggested_epochs(DATASETS[name]) == epochs
