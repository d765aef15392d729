"""Tests of `ui/views/launch.py`."""

import pytest

from tests.ui import fakes
from tests.ui.seen import errors
from trainers import jobs
from trainers.config import RunConfig
from trainers.runs import RunError, list_runs
from ui.components import choices


@pytest.fixture
def launched(monkeypatch, root):
    """The configurations that the page wanted to start; nothing is started."""
    configs = []

    def launch(config, path=None):
        configs.append(config)
        return fakes.write_run(root, "new", state="stopped")

    monkeypatch.setattr(jobs, "launch", launch)
    return configs


@pytest.fixture
def typed(monkeypatch):
    """Offer what a person would type: AppTest's selectbox takes listed options only."""
    names = ("vgg", "timm:resnet10t")
    monkeypatch.setattr(choices, "TIMM_SUGGESTIONS", names)


def command(app):
    return app.code[0].value if app.code else ""


def test_the_page_starts_ready_with_the_defaults(open_page, launched):
    app = open_page("launch")
    assert not app.exception
    assert not app.error
    assert command(app).split() == [
        "python", "-m", "trainers", "run", "\\", "--dataset", "digits", "\\",
        "--model", "mlp", "\\", "--optimizer", "vogn", "\\", "--epochs", "60",
    ]  # fmt: skip


def test_launching_starts_the_chosen_run_and_goes_to_its_page(open_page, launched):
    app = open_page("launch")
    app.selectbox(key="dataset").set_value("fashion-mnist").run()
    app.selectbox(key="model-image").set_value("lenet5").run()
    app.number_input(key="vogn-prior_precision").set_value(20.0).run()
    app.number_input(key="epochs-fashion-mnist").set_value(2).run()
    assert "--prior-precision 20.0" in command(app)
    app.button(key="launch").click().run()
    assert not app.exception
    (config,) = launched
    assert isinstance(config, RunConfig)
    assert (config.dataset.name, config.model.name) == ("fashion-mnist", "lenet5")
    assert config.optimizer.hyperparameters["prior_precision"] == 20.0
    assert config.training.epochs == 2
    assert app.query_params["run"] == "new"
    assert "VOGN on Digits" in app.main.markdown[0].value


def test_each_optimizer_brings_its_own_form(open_page, launched):
    app = open_page("launch")
    app.segmented_control(key="optimizer").set_value("adamw").run()
    assert "--optimizer adamw" in command(app)
    app.number_input(key="adamw-beta2").set_value(0.99).run()
    assert "--beta2 0.99" in command(app)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "vogn-lr",
            0.0,
            "Learning rate must be a number in (0, 1e+06], or auto for 8000 / training "
            "examples, got 0.0.",
        ),
        ("vogn-momentum", -0.5, "Momentum must be a number in [0, 1), got -0.5."),
        ("epochs-digits", 0, "epochs must be a whole number in [1, 100000], got 0."),
        ("batch_size", -1, "batch_size must be a whole number"),
        ("validation_fraction", 0.9, "must be in [0, 0.5], got 0.9."),
    ],
)
def test_a_wrong_number_is_told_and_nothing_can_start(
    open_page, launched, key, value, told
):
    app = open_page("launch")
    app.number_input(key=key).set_value(value).run()
    assert told in errors(app)
    assert app.button(key="launch").disabled
    assert not command(app)
    assert launched == []


def test_the_folder_is_asked_for_only_where_it_is_needed(open_page, launched, tmp_path):
    app = open_page("launch")
    assert not app.text_input
    app.selectbox(key="dataset").set_value("folder").run()
    assert "Name the image folder" in errors(app)
    app.text_input(key="folder").set_value("~nobody-here/pictures").run()
    assert "There is no folder" in errors(app)
    app.text_input(key="folder").set_value(str(tmp_path)).run()
    assert not app.error
    assert f"--folder {tmp_path}" in command(app)
    app.selectbox(key="dataset").set_value("digits").run()
    assert not app.error


def test_a_model_that_is_not_there_is_told(open_page, launched, typed):
    app = open_page("launch")
    app.selectbox(key="model-image").set_value("vgg").run()
    assert "model must be one of" in errors(app)
    assert app.button(key="launch").disabled


def test_any_model_of_timm_can_be_named(open_page, launched, typed):
    app = open_page("launch")
    app.selectbox(key="model-image").set_value("timm:resnet10t").run()
    assert "--model timm:resnet10t" in command(app)


def test_a_launch_that_fails_says_so(open_page, root, monkeypatch):
    def launch(config):
        raise RunError("run folder must be new or empty, got /full.")

    monkeypatch.setattr(jobs, "launch", launch)
    app = open_page("launch")
    app.button(key="launch").click().run()
    assert "Nothing was started: run folder must be new or empty" in errors(app)
    assert list_runs() == []


def test_an_image_folder_is_handed_on_as_an_absolute_path(
    open_page, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    app = open_page("launch")
    app.selectbox(key="dataset").set_value("folder").run()
    app.text_input(key="folder").set_value("pictures").run()
    assert f"--folder {tmp_path / 'pictures'}" in command(app)
