"""Tests of `ui/views/launch/page.py`: a form that begins with the settings of a run."""

import pytest

from tests.ui import fakes
from tests.ui.seen import text
from trainers import jobs
from trainers.config import EvaluationConfig, OptimizerConfig, RunConfig
from trainers.runs import load_config


def command(app):
    return app.code[0].value if app.code else ""


def test_a_clone_begins_with_the_settings_of_its_run(open_page, root):
    original = RunConfig(
        dataset=fakes.config("fashion-mnist").dataset,
        model=fakes.config(model="lenet5").model,
        optimizer=OptimizerConfig(name="adamw", hyperparameters={"lr": 0.007}),
        training=fakes.config(epochs=9, seed=4, batch_size=32).training,
        evaluation=EvaluationConfig(test_samples=3, ood="digits"),
    )
    (run,) = jobs.engine().submit([original])
    app = open_page("launch", clone=run.id)
    assert not app.exception
    assert "The form began with the settings of" in text(app)
    app.button(key="launch").click().run()
    _, copy = jobs.engine().queue()
    assert load_config(copy) == original


def test_a_clone_can_be_changed(open_page, root):
    fakes.write_run(root, "a", optimizer="sgd", epochs=3)
    app = open_page("launch", clone="a")
    app.number_input(key="sgd-lr").set_value(0.2).run()
    app.number_input(key="seed").set_value(5).run()
    assert "--epochs 3" in command(app)
    assert "--lr 0.2" in command(app)
    assert "--seed 5" in command(app)


def test_without_the_parameter_the_form_begins_anew(open_page, root):
    fakes.write_run(root, "a", optimizer="sgd", epochs=3)
    app = open_page("launch", clone="a")
    assert "--optimizer sgd" in command(app)
    del app.query_params["clone"]
    app.run()
    assert "--optimizer vogn" in command(app)
    assert "--epochs 60" in command(app)


@pytest.mark.parametrize("name", ["nobody", "../../etc", "<b>"])
def test_a_clone_of_nothing_is_said_plainly(open_page, root, name):
    app = open_page("launch", clone=name)
    assert not app.exception
    assert "to begin with; these are the defaults" in app.warning[0].value
    assert "--optimizer vogn" in command(app)


def test_a_clone_of_a_damaged_run_is_said_plainly(open_page, root):
    fakes.write_run(root, "a").config.write_text("{")
    app = open_page("launch", clone="a")
    assert not app.exception
    assert "cannot be cloned" in app.warning[0].value
