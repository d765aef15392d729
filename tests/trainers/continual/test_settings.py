"""Tests of what a run of tasks does, as data."""

import json

import pytest

from tests.trainers.continual.examples import settings
from trainers.continual.settings import DEFAULTS, METHODS, QUICK, ContinualSettings


def test_settings_round_trip_as_json():
    for given in (DEFAULTS, QUICK, settings(methods=("joint", "vogn"), vogn={})):
        content = json.loads(json.dumps(given.to_dict()))
        assert ContinualSettings.from_dict(content) == given


def test_methods_have_one_order_and_all_hyperparameters_a_value():
    given = settings(methods=("joint", "vogn"), vogn={"lr": 0.5})
    assert given.methods == ("vogn", "joint")
    assert given.vogn["lr"] == 0.5
    assert given.vogn["momentum"] == 0.9


def test_the_configuration_is_that_of_vogns_part():
    config = settings(seed=7).config()
    assert config.dataset.name == "digits"
    assert config.model.name == "mlp"
    assert config.optimizer.hyperparameters == settings().vogn
    assert (config.training.seed, config.training.epochs) == (7, 1)
    assert config.evaluation.ood == "none"


def test_the_quick_setting_is_ten_tasks_of_all_methods():
    assert (QUICK.tasks, QUICK.methods) == (10, tuple(METHODS))
    assert QUICK.vogn["damping"] == 0
    assert QUICK.num_train * QUICK.epochs < 60_000 * DEFAULTS.epochs


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dataset": "moons"}, "dataset must be a set of images, got 'moons'"),
        ({"dataset": "nothing"}, "dataset must be one of"),
        ({"tasks": 1}, r"tasks must be a whole number in \[2, 100\], got 1."),
        ({"methods": ("sgd",)}, "methods must be some of vogn, ewc, adamw, joint"),
        ({"methods": ("vogn", "vogn")}, "each once, got vogn vogn."),
        ({"methods": ()}, "each once, got none."),
        ({"hidden": ()}, "hidden must have 1 to 10 layers, got 0."),
        ({"hidden": (0,)}, r"hidden must be a whole number in \[1, 10000\], got 0."),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"ewc_strength": -1}, "ewc_strength must be a number in"),
        ({"prior_strength": 0}, "prior_strength must be a number in"),
        ({"vogn": {"lr": -1}}, "lr must be a number in"),
        ({"vogn": {"rate": 1}}, "rate"),
        ({"vogn": {"sampled": False}}, "sampled must be true for VOGN, whose post"),
        ({"device": "tpu"}, "device must be auto, cpu, cuda or cuda:N"),
        (
            {"validate": True, "validation_fraction": 0},
            "validation_fraction must be > 0 to validate, got 0.",
        ),
    ],
)
def test_mistakes_are_told(given, told):
    with pytest.raises(ValueError, match=told):
        settings(**given)


@pytest.mark.parametrize(
    "content", [None, [], {"task": 2}, {"methods": 3}, {"hidden": None}]
)
def test_what_are_no_settings_is_refused(content):
    with pytest.raises(ValueError, match="settings must"):
        ContinualSettings.from_dict(content)
