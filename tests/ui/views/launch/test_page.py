"""Tests of `ui/views/launch/page.py`."""

import json

import pytest

from tests.data.writers import write_image_folder
from tests.ui import fakes
from tests.ui.choosing import choose_optimizer
from tests.ui.seen import errors, text
from trainers import errands, jobs
from trainers.catalogue import OPTIMIZERS
from trainers.config import RunConfig
from trainers.jobs.local import Engine
from trainers.jobs.store import Store
from trainers.recipes import RECIPES, recipe_settings
from trainers.runs import RunError, list_runs, load_config
from trainers.sweep import setting
from ui.components.access import AccessError
from ui.views.launch import models
from ui.views.launch.upload import HERE


@pytest.fixture
def typed(monkeypatch):
    """Offer what a person would type: AppTest's selectbox takes listed options only."""
    names = ("vgg", "timm:resnet10t")
    monkeypatch.setattr(models, "TIMM_SUGGESTIONS", names)


def command(app):
    return app.code[0].value if app.code else ""


def test_the_page_starts_ready_with_the_defaults(open_page):
    app = open_page("launch")
    assert not app.exception
    assert not app.error
    assert command(app).split() == [
        "python", "-m", "trainers", "run", "\\", "--dataset", "digits", "\\",
        "--model", "mlp", "\\", "--optimizer", "vogn", "\\", "--epochs", "60",
    ]  # fmt: skip


def test_launching_starts_the_chosen_run_and_goes_to_its_page(open_page):
    app = open_page("launch")
    app.selectbox(key="dataset").set_value("fashion-mnist").run()
    app.selectbox(key="model-image").set_value("lenet5").run()
    app.number_input(key="vogn-prior_precision").set_value(20.0).run()
    app.number_input(key="epochs-fashion-mnist").set_value(2).run()
    assert "--prior-precision 20.0" in command(app)
    app.button(key="launch").click().run()
    assert not app.exception
    (run,) = jobs.engine().queue()
    config = load_config(run)
    assert (config.dataset.name, config.model.name) == ("fashion-mnist", "lenet5")
    assert config.optimizer.hyperparameters["prior_precision"] == 20.0
    assert config.training.epochs == 2
    assert app.query_params["run"] == run.id
    assert "VOGN on Fashion-MNIST" in app.main.markdown[0].value
    assert "Queued #1" in app.main.markdown[0].value


def test_each_optimizer_brings_its_own_form(open_page):
    app = open_page("launch")
    choose_optimizer(app, "adamw")
    assert "--optimizer adamw" in command(app)
    app.number_input(key="adamw-beta2").set_value(0.99).run()
    assert "--beta2 0.99" in command(app)


def test_noisy_kfac_is_launched_with_its_settings(open_page):
    app = open_page("launch")
    choose_optimizer(app, "noisy_kfac")
    assert not app.exception
    assert not app.error
    assert command(app).split()[-2:] == ["--epochs", "60"]
    app.number_input(key="noisy_kfac-temperature").set_value(0.5).run()
    app.number_input(key="noisy_kfac-kl_clip").set_value(0.0).run()
    app.selectbox(key="noisy_kfac-inversion").set_value("eigen").run()
    assert "--optimizer noisy_kfac" in command(app)
    app.button(key="launch").click().run()
    (run,) = jobs.engine().queue()
    settings = load_config(run).optimizer
    changed = {"temperature": 0.5, "kl_clip": 0.0, "inversion": "eigen"}
    assert settings.hyperparameters == {
        **OPTIMIZERS["noisy_kfac"].defaults(), **changed
    }  # fmt: skip


def test_noisy_kfac_without_damping_and_prior_cannot_start(open_page):
    app = open_page("launch")
    choose_optimizer(app, "noisy_kfac")
    app.number_input(key="noisy_kfac-damping").set_value(0.0).run()
    assert not app.error
    app.number_input(key="noisy_kfac-prior_precision").set_value(0.0).run()
    assert "damping must be > 0 when prior_precision is 0, got 0." in errors(app)
    assert app.button(key="launch").disabled


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "vogn-lr",
            0.0,
            "Learning rate must be a number in (0, 1e+06], or auto for 4000 / training "
            "examples, got 0.0.",
        ),
        ("epochs-digits", 0, "epochs must be a whole number in [1, 100000], got 0."),
    ],
)
def test_a_wrong_number_is_told_and_nothing_can_start(open_page, key, value, told):
    app = open_page("launch")
    app.number_input(key=key).set_value(value).run()
    assert told in errors(app)
    assert app.button(key="launch").disabled
    assert not command(app)
    assert jobs.engine().queue() == []


def test_the_folder_is_asked_for_only_where_it_is_needed(open_page, tmp_path):
    write_image_folder(tmp_path / "pets")
    app = open_page("launch")
    assert "folder" not in {field.key for field in app.text_input}
    app.selectbox(key="dataset").set_value("folder").run()
    app.segmented_control(key="own-source").set_value(HERE).run()
    assert "Choose images of yours" in errors(app)
    app.text_input(key="folder").set_value("~nobody-here/pictures").run()
    assert "There is no folder" in errors(app)
    app.text_input(key="folder").set_value(str(tmp_path / "pets")).run()
    assert not app.error
    assert f"--folder {tmp_path / 'pets'}" in command(app)
    app.selectbox(key="dataset").set_value("digits").run()
    assert not app.error


def test_a_model_that_is_not_there_is_told(open_page, typed):
    app = open_page("launch")
    app.selectbox(key="model-image").set_value("vgg").run()
    assert "model must be one of" in errors(app)
    assert app.button(key="launch").disabled


def test_any_model_of_timm_can_be_named(open_page, typed):
    app = open_page("launch")
    app.selectbox(key="model-image").set_value("timm:resnet10t").run()
    assert "--model timm:resnet10t" in command(app)


def test_a_launch_that_fails_says_so(open_page, root, monkeypatch):
    def submit(self, configs, **options):
        raise RunError("run folder must be new or empty, got /full.")

    monkeypatch.setattr(Engine, "submit", submit)
    app = open_page("launch")
    app.button(key="launch").click().run()
    assert "Nothing was queued: run folder must be new or empty" in errors(app)
    assert list_runs() == []


def test_an_image_folder_is_handed_on_as_an_absolute_path(
    open_page, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    app = open_page("launch")
    app.selectbox(key="dataset").set_value("folder").run()
    app.segmented_control(key="own-source").set_value(HERE).run()
    app.text_input(key="folder").set_value("pictures").run()
    assert f"--folder {tmp_path / 'pictures'}" in command(app)


def test_processes_and_priority_are_asked_for_and_kept(open_page):
    first = jobs.engine().submit([fakes.config()])[0]
    app = open_page("launch")
    app.number_input(key="num_processes").set_value(2).run()
    assert "--num-processes 2" in command(app)
    app.number_input(key="priority").set_value(5).run()
    app.button(key="launch").click().run()
    assert not app.exception
    second, behind = jobs.engine().queue()
    assert behind == first
    assert load_config(second).training.num_processes == 2
    assert jobs.engine().state(second).priority == 5


def test_the_summary_tells_where_it_would_run_and_what_is_before_it(open_page):
    app = open_page("launch")
    assert "Runs on the CPU of this machine." in text(app)
    assert "The queue is empty: starts at once." in text(app)
    jobs.engine().submit([fakes.config()] * 2)
    assert "2 runs are before it." in text(app.run())
    app.number_input(key="priority").set_value(1).run()
    assert "Nothing is before it: starts at once." in text(app)
    jobs.engine().pause()
    assert "The queue is paused" in text(app.run())


def test_what_this_machine_cannot_run_is_told_and_not_queued(open_page):
    app = open_page("launch")
    app.selectbox(key="device").set_value("cuda").run()
    assert "device must be auto or cpu without a GPU, got 'cuda'." in errors(app)
    assert app.button(key="launch").disabled


def test_without_an_engine_the_form_says_why(open_page, monkeypatch):
    def broken(self):
        raise RunError("the job store sqlite:///jobs.db: disk I/O error")

    monkeypatch.setattr(Store, "queued", broken)
    app = open_page("launch")
    assert not app.exception
    assert "the job store sqlite:///jobs.db: disk I/O error" in errors(app)
    assert app.button(key="launch").disabled


def test_a_pretrained_network_is_launched_with_what_was_chosen(open_page, typed, root):
    app = open_page("launch")
    app.selectbox(key="model-image").set_value("timm:resnet10t").run()
    app.toggle(key="pretrained").set_value(True).run()
    assert "--pretrained True" in command(app)
    app.text_input(key="weights").set_value("/nowhere/w.safetensors").run()
    assert "There are no weights /nowhere/w.safetensors on this" in errors(app)
    file = root / "w.safetensors"
    file.write_bytes(b"")
    app.text_input(key="weights").set_value(str(file)).run()
    assert f"--weights {file}" in command(app)
    app.button(key="launch").click().run()
    (run,) = jobs.engine().queue()
    model = load_config(run).model
    assert (model.pretrained, model.weights) == (True, str(file))
    clone = open_page("launch", clone=run.id)
    assert clone.toggle(key="pretrained").value
    assert clone.text_input(key="weights").value == str(file)


def test_viewers_see_everything_and_launch_nothing(open_page, monkeypatch):
    monkeypatch.setattr("ui.components.access.may_edit", lambda: False)
    app = open_page("launch")
    assert not app.error
    assert "--dataset digits" in command(app)
    assert app.button(key="launch").disabled
    assert app.button(key="estimate").disabled


@pytest.mark.parametrize("key", ["launch", "estimate"])
def test_the_server_refuses_who_is_no_editor_whatever_the_page_says(
    open_page, monkeypatch, key
):
    def refuse():
        raise AccessError("Only editors may do this.")

    begun = []
    monkeypatch.setattr(errands, "begin", lambda *given: begun.append(given))
    monkeypatch.setattr("ui.components.access.require_editor", refuse)
    app = open_page("launch")
    app.button(key=key).click().run()
    assert "Only editors may do this" in errors(app)
    assert jobs.engine().queue() == begun == []


def test_the_configuration_can_be_copied_and_taken_home(open_page):
    app = open_page("launch")
    app.number_input(key="epochs-digits").set_value(7).run()
    content = json.loads(app.code[1].value)
    assert RunConfig.from_dict(content).training.epochs == 7
    (button,) = [b for b in app.get("download_button") if "config.json" in b.label]
    assert button is not None


def test_options_of_the_training_are_asked_for_and_told(open_page):
    app = open_page("launch")
    choose_optimizer(app, "sgd")
    assert app.number_input(key="decay_power").disabled
    app.selectbox(key="schedule").set_value("polynomial").run()
    app.number_input(key="decay_power").set_value(3.0).run()
    app.number_input(key="mixup").set_value(0.4).run()
    app.toggle(key="couple_momentum").set_value(True).run()
    words = command(app)
    assert not app.exception
    for told in (
        "--schedule polynomial", "--decay-power 3.0", "--mixup 0.4",
        "--couple-momentum True",
    ):  # fmt: skip
        assert told in words


def test_options_that_do_not_suit_are_told(open_page):
    app = open_page("launch")
    app.toggle(key="rescale_weights").set_value(True).run()
    assert "rescale_weights must be false for optimizer 'vogn'" in errors(app)
    assert app.button(key="launch").disabled


def test_a_recipe_fills_the_form_and_can_be_changed(open_page):
    app = open_page("launch")
    assert not [button for button in app.button if button.key == "recipe-sp_ngd"]
    choose_optimizer(app, "sp_ngd")
    app.number_input(key="batch_size").set_value(64).run()
    assert "For batches of 64 out of 1,258 examples and 60 epochs." in text(app)
    app.button(key="recipe-sp_ngd").click().run()
    assert not app.exception
    assert app.selectbox(key="schedule").value == "polynomial"
    assert app.toggle(key="rescale_weights").value
    app.number_input(key="mixup").set_value(0.0).run()
    app.button(key="launch").click().run()
    (run,) = jobs.engine().queue()
    config = load_config(run)
    expected = recipe_settings(RECIPES["sp_ngd"], config.dataset, config.training)
    found = {name: setting(config, name) for name in expected}
    assert found == {**expected, "mixup": 0}


def test_without_a_batch_size_there_is_no_recipe(open_page):
    app = open_page("launch")
    choose_optimizer(app, "sp_ngd")
    app.number_input(key="batch_size").set_value(0).run()
    assert not app.exception
    assert app.button(key="recipe-sp_ngd").disabled


def test_a_switch_that_is_out_of_sight_can_be_reset(open_page):
    app = open_page("launch")
    choose_optimizer(app, "sgd")
    app.toggle(key="couple_momentum").set_value(True).run()
    app.number_input(key="label_smoothing").set_value(0.1).run()
    assert not errors(app)
    choose_optimizer(app, "vogn")
    assert "couple_momentum must be false" in errors(app)
    app.button(key="options-reset").click().run()
    assert not app.exception
    assert not app.toggle(key="couple_momentum").value
    assert app.number_input(key="label_smoothing").value == 0
    assert not errors(app)
    assert "options-reset" not in {button.key for button in app.button}
