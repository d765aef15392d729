"""Tests of `ui/views/run/settings.py`."""

from dataclasses import fields

from tests.ui import fakes
from trainers.catalogue import OPTIMIZERS
from trainers.config import OptimizerConfig, RunConfig, TrainingConfig
from ui.views.run.settings import meanings_of, settings, text


def rows_of(config):
    return {(each.section, each.name): each for each in settings(config)}


def test_every_setting_is_there_once_beside_its_default():
    config = fakes.config(epochs=7)
    found = settings(config)
    content = config.to_dict()
    sections = ("dataset", "model", "training", "evaluation")
    expected = sum(len(content[name]) for name in sections)
    expected += 1 + len(content["optimizer"]["hyperparameters"])
    assert len(rows_of(config)) == len(found) == expected
    epochs = rows_of(config)["Training", "Epochs"].row()
    assert epochs == {
        "Differs": "●", "Section": "Training", "Setting": "Epochs", "Value": "7",
        "Default": "5", "Meaning": "Passes over the training split.",
    }  # fmt: skip


def test_what_differs_is_what_somebody_chose():
    base = fakes.config(seed=3)
    optimizer = OptimizerConfig(name="vogn", hyperparameters={"momentum": 0.8})
    config = RunConfig(
        dataset=base.dataset, model=base.model, optimizer=optimizer,
        training=base.training,
    )  # fmt: skip
    chosen = {key for key, each in rows_of(config).items() if each.differs}
    assert chosen == {
        ("Dataset", "Name"), ("Model", "Name"), ("Optimizer", "Name"),
        ("Optimizer", "Momentum"), ("Training", "Seed"),
    }  # fmt: skip


def test_names_of_hyperparameters_are_those_of_the_launch_form():
    for name in OPTIMIZERS:
        found = rows_of(fakes.config(optimizer=name))
        assert ("Optimizer", "Learning rate") in found
        for (section, _), each in found.items():
            assert section != "Optimizer" or each.meaning


def test_a_name_has_no_default_and_a_title():
    row = rows_of(fakes.config())["Dataset", "Name"].row()
    assert (row["Default"], row["Meaning"]) == ("-", "Digits (8x8)")


def test_every_field_has_a_meaning():
    told = meanings_of(TrainingConfig)
    assert set(told) == {item.name for item in fields(TrainingConfig)}
    assert told["decay_end"].endswith(
        "Beyond them the learning rate never gets to zero."
    )
    assert not any("`" in each for each in told.values())
    assert meanings_of(int) == {}


def test_values_are_written_as_people_do():
    assert [text(value) for value in (None, "", True, False, 0.1, 1e-5, 3, "auto")] == [
        "none", "none", "yes", "no", "0.1", "1e-05", "3", "auto",
    ]  # fmt: skip
