"""Tests of `ui/views/launch/study.py`."""

import pytest

from tests.ui.choosing import choose_optimizer
from tests.ui.fakes import config
from trainers import jobs
from trainers.runs import load_config
from trainers.studies import STUDIES, study_configs
from ui.views.launch.study import field_values


@pytest.mark.parametrize("name", STUDIES)
def test_one_click_makes_the_runs_of_the_command_line(open_page, name):
    study = STUDIES[name]
    app = open_page("launch")
    app.button(key=f"study-{name}").click().run()
    assert not app.exception
    assert app.segmented_control(key="kind").value == "sweep"
    assert app.selectbox(key="axis-0").value == study.axis
    number = len(study.values) * len(study.seeds)
    assert app.button(key="launch").label == f"Queue {number} runs"
    app.button(key="launch").click().run()
    found = [load_config(run) for run in jobs.engine().queue()]
    bases = [config(seed=seed, epochs=60) for seed in study.seeds]
    expected = study_configs(study, bases)
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_optimizers_without_a_posterior_have_no_studies(open_page):
    app = choose_optimizer(open_page("launch"), "sgd")
    keys = {button.key for button in app.button}
    assert not keys & {f"study-{name}" for name in STUDIES}


def test_a_study_waits_for_the_rest_of_the_form(open_page):
    app = open_page("launch")
    app.number_input(key="batch_size").set_value(0).run()
    assert app.button(key="study-prior_precision").disabled


def test_the_fields_of_a_sweep_are_filled_and_others_emptied():
    found = field_values(STUDIES["prior_precision"], config())
    assert found["values-0"] == "0.0105, 0.105, 0.315, auto, 3.15, 10.5, 105"
    assert found["seeds"] == "0, 1, 2"
    assert found["axis-1"] is None
