"""Tests of the flags that describe runs. `run`'s own are tested in test_main."""

import argparse
import json

import pytest

from tests.trainers.examples import config
from trainers.config import RunConfig
from trainers.flags import (
    add_config_flag,
    add_setting_flags,
    configs_from_options,
    flag,
    given_settings,
)
from trainers.recipes import RECIPES, recipe_settings
from trainers.sweep import SECTIONS, SETTINGS, setting

MOONS = ["--dataset", "moons", "--model", "mlp"]


def parsed(*words, nargs="+"):
    parser = argparse.ArgumentParser()
    add_config_flag(parser)
    add_setting_flags(parser, nargs)
    return parser.parse_args([str(word) for word in words])


def made(*words, mode="grid"):
    configs, axes = configs_from_options(parsed(*words), mode)
    return [(c.optimizer.name, c.training.seed) for c in configs], axes


def test_there_is_a_flag_for_every_setting():
    options = vars(parsed())
    assert set(options) == {"config", "recipe", *SETTINGS}
    assert set(SECTIONS) < set(RunConfig.__dataclass_fields__)
    assert flag("batch_size") == "--batch-size"


def test_values_come_as_the_type_of_their_default():
    words = ["--seed", "1", "2", "--validation-fraction", "0.2", "--epochs", "x"]
    assert given_settings(parsed(*words, "--lr", "auto")) == {
        "validation_fraction": [0.2], "epochs": ["x"], "seed": [1, 2], "lr": ["auto"],
    }  # fmt: skip
    assert given_settings(parsed("--seed", "3", nargs=None)) == {"seed": [3]}
    switches = parsed("--couple-momentum", "true", "False", "1", "--mixup", "0.4")
    assert given_settings(switches) == {
        "couple_momentum": [True, False, "1"], "mixup": [0.4],
    }  # fmt: skip
    assert given_settings(parsed()) == {}


def test_several_values_make_a_grid():
    words = [*MOONS, "--optimizer", "sgd", "vogn", "--seed", 0, 1, "--epochs", 3]
    runs, axes = made(*words)
    assert runs == [("sgd", 0), ("sgd", 1), ("vogn", 0), ("vogn", 1)]
    assert axes == ["optimizer", "seed"]


def test_in_a_list_one_value_holds_for_all():
    words = [*MOONS, "--optimizer", "sgd", "vogn", "--seed", 0, 1, "--lr", 0.1]
    runs, axes = made(*words, mode="list")
    assert runs == [("sgd", 0), ("vogn", 1)]
    assert axes == ["optimizer", "seed"]
    assert made(*MOONS, "--optimizer", "sgd", mode="list")[0] == [("sgd", 0)]
    with pytest.raises(ValueError, match="got optimizer 2, seed 3"):
        made(*MOONS, "--optimizer", "sgd", "vogn", "--seed", 1, 2, 3, mode="list")


def test_a_saved_configuration_is_the_base_of_a_sweep(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(config(optimizer="adamw").to_dict()))
    assert made("--config", path, "--seed", 0, 1)[0] == [("adamw", 0), ("adamw", 1)]
    assert made("--config", path, "--optimizer", "sgd", "vogn")[0] == [
        ("sgd", 0), ("vogn", 0),
    ]  # fmt: skip


def test_folders_are_kept_as_seen_from_here(tmp_path, monkeypatch):
    saved = config().to_dict() | {
        "dataset": {"name": "folder", "folder": "a"},
        "model": {"name": "lenet5"},
    }
    (tmp_path / "c.json").write_text(json.dumps(saved))
    monkeypatch.chdir(tmp_path)
    (only,), _ = configs_from_options(parsed("--config", "c.json"))
    assert only.dataset.folder == str(tmp_path / "a")
    configs, _ = configs_from_options(
        parsed("--config", "c.json", "--folder", "b", tmp_path / "c")
    )
    assert [each.dataset.folder for each in configs] == [
        str(tmp_path / "b"), str(tmp_path / "c"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="folder must be given"):
        configs_from_options(parsed("--config", "c.json", "--folder", ""))


def test_the_three_choices_must_be_made():
    with pytest.raises(ValueError, match="--optimizer must be given"):
        made(*MOONS)


DIGITS = ["--dataset", "digits", "--model", "mlp"]


def only(*words):
    (config,), _ = configs_from_options(parsed(*words))
    return config


def test_a_recipe_is_settings_and_chooses_its_optimizer():
    found = only(*DIGITS, "--recipe", "sp_ngd", "--batch-size", 64, "--epochs", 9)
    assert found.optimizer.name == "sp_ngd"
    expected = recipe_settings(RECIPES["sp_ngd"], found.dataset, found.training)
    assert {name: setting(found, name) for name in expected} == expected
    assert found.training.schedule == "polynomial"


def test_flags_win_over_a_recipe_and_it_wins_over_a_saved_configuration(tmp_path):
    recipe = ["--recipe", "sp_ngd"]
    plain = only(*DIGITS, *recipe)
    changed = only(*DIGITS, *recipe, "--mixup", 0, "--momentum", 0.5)
    assert (changed.training.mixup, plain.training.mixup > 0) == (0, True)
    assert changed.optimizer.hyperparameters["momentum"] == 0.5
    path = tmp_path / "c.json"
    path.write_text(json.dumps(changed.to_dict()))
    again = only("--config", path, *recipe, "--lr", 0.5)
    assert again.training == plain.training
    assert again.optimizer.hyperparameters == {
        **plain.optimizer.hyperparameters, "lr": 0.5,
    }  # fmt: skip


def test_a_recipe_fits_each_batch_size_of_a_sweep():
    words = [*DIGITS, "--recipe", "sp_ngd", "--batch-size", 8, 64]
    small, large = configs_from_options(parsed(*words))[0]
    momenta = [each.optimizer.hyperparameters["momentum"] for each in (small, large)]
    assert momenta[0] > momenta[1]


def test_in_a_race_a_recipe_is_for_its_own_optimizer():
    words = [*DIGITS, "--recipe", "sp_ngd", "--optimizer", "sgd", "sp_ngd"]
    sgd, sp_ngd = configs_from_options(parsed(*words))[0]
    assert sgd == only(*DIGITS, "--optimizer", "sgd")
    assert sp_ngd == only(*DIGITS, "--recipe", "sp_ngd")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--recipe", "x"], "recipe must be one of sp_ngd, got 'x'."),
        (
            ["--recipe", "sp_ngd", "--optimizer", "sgd", "adamw"],
            "optimizer must be sp_ngd for recipe 'sp_ngd', got sgd, adamw.",
        ),
    ],
)
def test_a_recipe_that_does_not_suit_is_refused(words, text):
    with pytest.raises(ValueError, match=text):
        only(*DIGITS, *words)


def test_the_flag_of_a_switch_alone_turns_it_on():
    digits = ["--dataset", "digits", "--optimizer", "sgd", "--model", "timm:resnet18"]
    assert only(*digits, "--pretrained").model.pretrained
    assert only(*digits, "--pretrained", "--seed", 1).model.pretrained
    assert not only(*digits, "--pretrained", "false").model.pretrained
    both, _ = configs_from_options(parsed(*digits, "--pretrained", "true", "false"))
    assert [each.model.pretrained for each in both] == [True, False]


def test_weights_are_kept_as_seen_from_here(tmp_path, monkeypatch):
    digits = ["--dataset", "digits", "--optimizer", "sgd", "--model", "timm:resnet18"]
    monkeypatch.chdir(tmp_path)
    found = only(*digits, "--weights", "w.safetensors")
    assert found.model.weights == str(tmp_path / "w.safetensors")
    saved = found.to_dict() | {"model": {"name": "timm:x", "weights": "b.safetensors"}}
    (tmp_path / "c.json").write_text(json.dumps(saved))
    again = only("--config", "c.json")
    assert again.model.weights == str(tmp_path / "b.safetensors")
