"""Tests of `ui/components/prefill.py`; the launch page's tests use it."""

import pytest

from tests.ui.fakes import config
from trainers.catalogue import OPTIMIZERS
from ui.components.prefill import widget_values


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
