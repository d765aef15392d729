"""Tests of `ui/views/launch/prefill.py`; the launch page's tests use it."""

import pytest

from tests.ui.fakes import config
from trainers.catalogue import OPTIMIZERS
from ui.views.launch.prefill import blank_values, widget_values


def test_every_field_is_set_once_under_its_key():
    values = widget_values(config("fashion-mnist", "lenet5", "vogn", epochs=9))
    assert values["dataset"] == "fashion-mnist"
    assert values["model-image"] == "lenet5"
    assert values["epochs-fashion-mnist"] == 9
    assert values["ood-fashion-mnist"] == "auto"
    assert values["vogn-lr"] is None  # how a field shows "auto"
    assert {"name", "epochs", "ood"}.isdisjoint(values)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_hyperparameters_of_the_optimizer_are_set(name):
    values = widget_values(config("moons", optimizer=name))
    assert {f"{name}-{key}" for key in OPTIMIZERS[name].defaults()} <= set(values)
    assert values["model-points"] == "mlp"


def test_a_whole_share_is_still_a_number_with_decimals():
    content = config().to_dict()
    content["dataset"]["validation_fraction"] = 0
    share = widget_values(type(config()).from_dict(content))["validation_fraction"]
    assert isinstance(share, float)


@pytest.mark.parametrize("dataset", ["digits", "fashion-mnist", "moons"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_takes_a_clone_back_sets_each_of_its_fields_to_what_the_form_has(
    dataset, name
):
    chosen = config(dataset, optimizer=name, epochs=7, seed=3, batch_size=5)
    blank = blank_values(chosen)
    assert set(blank) == set(widget_values(chosen))
    assert (blank["seed"], blank["batch_size"]) == (0, 128)
    assert (blank["dataset"], blank["optimizer"]) == ("digits", "vogn")


def test_the_blank_form_is_the_one_that_a_visitor_finds(open_page):
    app = open_page("launch")
    for key, value in blank_values(config("digits", optimizer="vogn")).items():
        if key != "folder":  # asked for with one dataset only
            assert app.session_state[key] == value
